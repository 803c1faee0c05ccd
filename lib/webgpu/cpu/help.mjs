/**
 * A helper thread's whole work: joins the stage's memory, says so, and computes what it finds there
 * until the stage ends. Plain JavaScript: a worker thread of Node runs it without a loader.
 */
export function help({ module, memory, range, control }, onReady) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  exports.useRange(range);
  exports.useThreads(control);
  if (!exports.joinThreads()) return;
  onReady();
  try {
    exports.help();
  } catch (error) {
    exports.failThread();
    throw error;
  }
}

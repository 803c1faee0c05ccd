/* Runs in a process of its own: native llama.cpp by node-llama-cpp, on the processor alone. */
const job = JSON.parse(process.argv[2]);
const { getLlama } = await import(job.module);
const llama = await getLlama({
  ...{ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: 'error' },
  maxThreads: job.threads,
});
const startedAt = performance.now();
const model = await llama.loadModel({ modelPath: job.gguf, gpuLayers: 0 });
const loadMs = performance.now() - startedAt;
const contextSize = Math.max(...job.prefills, ...job.pasts) + job.newTokens + 8;
const context = await model.createContext({
  ...{ contextSize, batchSize: 512, threads: job.threads, sequences: 1 },
});
const sequence = context.getSequence();
/** Ids of words, not of control tokens; what a step costs does not depend on them. */
const ids = Array.from({ length: contextSize }, (_, at) => 300 + ((at * 7919) % 40_000));

const prefillMs = job.prefills.map(() => []);
const stepMs = job.pasts.map(() => []);
for (let round = 0; round <= job.rounds; round += 1) {
  for (const [at, count] of job.prefills.entries()) {
    const ms = await prefill(count);
    if (round > 0) prefillMs[at].push(ms); // the first warms up
  }
}
for (const [at, past] of job.pasts.entries()) {
  for (let round = 0; round < job.rounds; round += 1) {
    // The long past is read once, and each round begins where it ends.
    if (round === 0) await prefill(past);
    else await sequence.eraseContextTokenRanges([{ start: past, end: sequence.nextTokenIndex }]);
    stepMs[at].push(...(await decode()));
  }
}
const system = llama.systemInfo.trim();
process.stdout.write(`${JSON.stringify({ loadMs, prefillMs, stepMs, system })}\n`);
await model.dispose();
await llama.dispose();
process.exit(0);

async function prefill(count) {
  await sequence.clearHistory();
  const began = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, count));
  return performance.now() - began;
}

/** Times between tokens, greedy; the first of them belongs to the id that begins. */
async function decode() {
  const times = [];
  let last = 0;
  const tokens = sequence.evaluate([ids[0]], { temperature: 0, yieldEogToken: true });
  while (!(await tokens.next()).done) {
    const now = performance.now();
    if (last > 0) times.push(now - last);
    last = now;
    if (times.length === job.newTokens - 1) break;
  }
  return times;
}

/** Runs inside the peer's tab: loads the model, warms up, then times one answer. */
export async function run(job) {
  const { Wllama } = await import(`${job.origin}/wllama.js`);
  const peer = new Wllama({ default: `${job.origin}/wllama.wasm` }, { suppressNativeLog: true });
  await peer.loadModelFromUrl(`${job.origin}/model.gguf`, {
    n_threads: job.threads,
    n_ctx: 512,
    n_gpu_layers: 0,
    useCache: false,
  });
  await timed(peer, job.prompt, 4);
  return timed(peer, job.prompt, job.newTokens);
}

async function timed(peer, prompt, newTokens) {
  const startedAt = performance.now();
  const arrivals = [];
  let promptTokens = 0;
  await peer.createCompletion({
    prompt,
    max_tokens: newTokens,
    temperature: 0,
    cache_prompt: false,
    stream: true,
    onData: (chunk) => {
      promptTokens = chunk.usage?.prompt_tokens ?? promptTokens;
      if (chunk.choices[0]?.text) arrivals.push(performance.now() - startedAt);
    },
  });
  const first = arrivals[0];
  const last = arrivals.at(-1);
  return {
    ttftMs: first,
    tokensPerSecond: (1000 * (arrivals.length - 1)) / (last - first),
    promptTokens,
    newTokens: arrivals.length,
  };
}

import { fileURLToPath } from 'node:url';
import { readManifest } from '#lib/shard/package/package-folder.ts';
import { kvPositionBytes } from '#lib/webgpu/kv-size.ts';
import { ask } from '#tests/support/answer.ts';
import { PlainTab } from '#tests/support/plain-tab.ts';
import { TestServer } from '#tests/support/server.ts';
import { withGguf } from './gguf.ts';
import { blankTabBytes, watchMemory } from './memory/renderer-memory.ts';
import { PROMPT, promptIds } from './prompt.ts';
import { atMost, machine, type BenchResult } from './result.ts';
import { callOf, servePeer } from './wllama/wllama.ts';

const MODEL = fileURLToPath(new URL('../public/models/smollm2-135m-instruct', import.meta.url));
const NEW_TOKENS = 64;
const PROMPT_TOKENS = 128;
/** Beside weights as stored, a quarter more for packing, and KV. */
const REST_BYTES_MAX = 60e6;
const PEER_MS_MAX = 120_000;

/** The peak of a processor tab with all layers that loads and answers, and wllama's with the same. */
export async function run(): Promise<BenchResult> {
  const { parts, shape } = await readManifest(MODEL);
  const stored = parts.reduce((sum, part) => sum + part.bytes, 0);
  const positions = PROMPT_TOKENS + NEW_TOKENS;
  const range = { first: 0, last: shape.layers - 1 };
  const form = { engine: 'cpu-wasm', numerics: 'int16' } as const;
  const kv = positions * kvPositionBytes(shape, range, form);
  const blank = await blankTabBytes();
  const ours = (await oursBytes()) - blank;
  const peer = (await withGguf(MODEL, peerBytes)) - blank;
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
  return {
    name: 'memory',
    machine: machine(),
    figures: {
      'weights as stored, MB': mb(stored),
      'KV of the answer, MB': mb(kv),
      'tab, MB above an empty tab': mb(ours),
      'wllama’s tab, MB above an empty tab': mb(peer),
    },
    bars: [
      atMost('memory of the tab', ours / 1e6, {
        max: (1.25 * stored + kv + REST_BYTES_MAX) / 1e6,
        unit: 'MB',
      }),
    ],
  };
}

async function oursBytes(): Promise<number> {
  const server = await TestServer.start(['--no-seed-volunteer']);
  const tab = await PlainTab.open(`${server.url}/volunteer`);
  try {
    const memory = watchMemory(tab);
    await tab.contribute();
    await server.until('a route', ({ routes }) => routes.length > 0);
    await ask(server.url, { promptIds: promptIds(PROMPT_TOKENS), maxTokens: NEW_TOKENS });
    return await memory.stop();
  } finally {
    await tab.end();
    await server.stop();
  }
}

async function peerBytes(gguf: string): Promise<number> {
  const server = await servePeer(gguf);
  const tab = await PlainTab.open(server.origin);
  try {
    const memory = watchMemory(tab);
    const job = { gguf, prompt: PROMPT, newTokens: NEW_TOKENS, threads: 1 };
    const call = callOf(job, server.origin);
    await tab.evaluate(`${call}.finally(() => { globalThis.finished = true; })`);
    const deadline = performance.now() + PEER_MS_MAX;
    while ((await tab.evaluate('globalThis.finished')) !== true) {
      if (performance.now() > deadline) throw new Error('wllama has not answered');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return await memory.stop();
  } finally {
    await tab.end();
    server.close();
  }
}

import type { FailoverEntry } from '#server/orchestrator/log.ts';
import { failoversIn } from '#server/operator/read-log.ts';
import { ask, type AskOptions } from '#tests/support/answer.ts';
import { promptIds } from '../prompt.ts';
import { median, type BenchResult } from '../result.ts';
import type { RingTabs } from './ring-tabs.ts';

const PROMPT_TOKENS = 64;
const NEW_TOKENS = 48;
/** Of the answer, when the tab dies. */
const LOST_AT = 24;
/** Each stage is lost so often. */
const ROUNDS = 2;
const STAGES = 3;
/** The line is on its way while the answer's last tokens are. */
const LINE_MS_MAX = 2_000;

/**
 * A reader's pause where a tab's process dies in mid-answer, by phase, as the server's log says it.
 * An answer that goes on with other tokens is no answer: it ends the benchmark.
 */
export async function pauses(ring: RingTabs): Promise<BenchResult['figures']> {
  const expected = (await ask(ring.url, job())).ids;
  const seen: FailoverEntry[] = [];
  for (let i = 0; i < ROUNDS * STAGES; i += 1) {
    seen.push(await loseTab(ring, i % STAGES, expected));
  }
  const p50 = (of: (entry: FailoverEntry) => number): string => median(seen.map(of)).toFixed(0);
  return {
    'tabs killed in mid-answer': seen.length,
    'pause: detect p50, ms': p50(({ detectMs }) => detectMs),
    'pause: plan p50, ms': p50(({ planMs }) => planMs),
    'pause: load p50, ms': p50(({ loadMs }) => loadMs),
    'pause: replay p50, ms': p50(({ replayMs }) => replayMs),
    'pause: total p50, ms': p50(({ totalMs }) => totalMs),
  };
}

async function loseTab(
  ring: RingTabs,
  stage: number,
  expected: readonly number[],
): Promise<FailoverEntry> {
  const victim = await ring.tabOf(stage);
  const renderers = await victim.renderers();
  const onToken = (count: number): void => {
    if (count === LOST_AT) for (const pid of renderers) process.kill(pid, 'SIGKILL');
  };
  const answer = await ask(ring.url, { ...job(), onToken });
  if (answer.error) throw new Error(`without stage ${stage}: ${answer.error.message}`);
  if (JSON.stringify(answer.ids) !== JSON.stringify(expected)) {
    throw new Error(`without stage ${stage} the answer went on with other tokens`);
  }
  const entry = await failoverOf(ring, answer.session);
  await ring.replace(victim);
  return entry;
}

async function failoverOf(ring: RingTabs, session: string | null): Promise<FailoverEntry> {
  const deadline = performance.now() + LINE_MS_MAX;
  for (;;) {
    const line = failoversIn(ring.server.log()).find((entry) => entry.session === session);
    if (line) return line;
    if (performance.now() > deadline)
      throw new Error(`no failover in the log of ${session ?? '?'}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const job = (): AskOptions => ({
  promptIds: promptIds(PROMPT_TOKENS),
  maxTokens: NEW_TOKENS,
  extra: { ignore_eos: true },
});

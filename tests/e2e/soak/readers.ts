import type { Random } from '#lib/kernel/random.ts';
import { ask } from '#tests/support/answer.ts';
import { goldenRows, type GoldenRow } from '#tests/support/golden.ts';

/** A prefill of three thousand rows would see no cluster that stands still for so long. */
const PROMPT_IDS_MAX = 1_200;
/** Past this an answer hangs. */
const ANSWER_MS_MAX = 120_000;
/** After an error, so that a cluster without cover is not asked in a loop. */
const PAUSE_MS = 500;

/** What became of the answers. */
export interface Tally {
  answers: number;
  tokens: number;
  /** Answers that went over more than one route. */
  moved: number;
  /** By code. */
  readonly errors: Map<string, number>;
  /** Wrong ids, errors without a code, answers that hung: none is allowed. */
  readonly wrong: string[];
}

export const newTally = (): Tally => ({
  ...{ answers: 0, tokens: 0, moved: 0 },
  ...{ errors: new Map(), wrong: [] },
});

/** Asks one golden row after the other until `stop`, so that one prompt is always open. */
export async function readOn(
  url: string,
  options: { readonly random: Random; readonly tally: Tally; readonly stop: AbortSignal },
): Promise<void> {
  const { random, tally, stop } = options;
  const rows = goldenRows().filter(({ promptIds }) => promptIds.length <= PROMPT_IDS_MAX);
  while (!stop.aborted) {
    const row = random.pick(rows);
    const end = await readOne(url, row, options);
    if (end === 'stopped') return;
    tally.answers += 1;
    if (end === 'failed') await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function readOne(
  url: string,
  row: GoldenRow,
  { tally, stop }: { readonly tally: Tally; readonly stop: AbortSignal },
): Promise<'whole' | 'failed' | 'stopped'> {
  const deadline = AbortSignal.timeout(ANSWER_MS_MAX);
  try {
    const seen = await ask(url, {
      ...{ promptIds: row.promptIds, maxTokens: row.greedyIds.length },
      signal: AbortSignal.any([stop, deadline]),
    });
    tally.tokens += seen.ids.length;
    if (seen.routes.length > 1) tally.moved += 1;
    const code = seen.error?.code ?? null;
    const expected = row.greedyIds.slice(0, seen.error ? seen.ids.length : undefined);
    if (JSON.stringify(seen.ids) !== JSON.stringify(expected)) {
      tally.wrong.push(`${row.name}: ${JSON.stringify(seen.ids)} (${code ?? seen.finish ?? '–'})`);
    } else if (seen.error && code === null) {
      tally.wrong.push(`${row.name}: an error without a code: ${seen.error.message}`);
    }
    if (code !== null) tally.errors.set(code, (tally.errors.get(code) ?? 0) + 1);
    return seen.error === null ? 'whole' : 'failed';
  } catch (error) {
    if (stop.aborted) return 'stopped';
    const what = deadline.aborted ? `hung for ${ANSWER_MS_MAX / 1000} s` : String(error);
    tally.wrong.push(`${row.name}: ${what}`);
    return 'failed';
  }
}

const ERROR_SHARE_MAX = 0.01;

export function missedByReaders({ answers, errors, wrong }: Tally): string[] {
  const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
  const share = answers === 0 ? 1 : failed / answers;
  return [
    ...(share <= ERROR_SHARE_MAX ? [] : [`${(100 * share).toFixed(1)} % of answers had an error`]),
    ...wrong,
  ];
}

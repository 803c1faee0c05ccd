import { ask } from '#tests/support/answer.ts';
import { TestServer } from '#tests/support/server.ts';
import { promptIds } from './prompt.ts';
import { atMost, machine, median, type BenchResult } from './result.ts';

const CONVERSATIONS = 3;
const FIRST_PROMPT_TOKENS = 976;
const ANSWER_TOKENS = 24;
/** Of the second question. */
const QUESTION_TOKENS = 20;

interface Turns {
  readonly firstMs: number;
  readonly secondMs: number;
  /** The same ids with a key that nobody has used: what the second turn would take alone. */
  readonly aloneMs: number;
}

/** Time to first token of the second turn of a conversation of 1 000 tokens, beside its first turn. */
export async function run(): Promise<BenchResult> {
  const server = await TestServer.start();
  try {
    await server.until('a route', ({ routes }) => routes.length > 0, 60_000);
    await ask(server.url, { promptIds: promptIds(64), maxTokens: 4 });
    const turns: Turns[] = [];
    for (let n = 0; n < CONVERSATIONS; n += 1) turns.push(await converse(server.url, n));
    const of = (name: keyof Turns): number => median(turns.map((each) => each[name]));
    const figures = {
      'first turn, first token ms': of('firstMs').toFixed(0),
      'second turn, first token ms': of('secondMs').toFixed(0),
      'second turn without the first, first token ms': of('aloneMs').toFixed(0),
      'tokens of the first turn and the second': `${FIRST_PROMPT_TOKENS} + ${ANSWER_TOKENS}, ${QUESTION_TOKENS} more`,
    };
    const bars = [
      atMost('first token of the second turn over the first', of('secondMs') / of('firstMs'), {
        max: 0.15,
        unit: '×',
      }),
    ];
    return { name: 'prefix', machine: machine(), figures, bars };
  } finally {
    await server.stop();
  }
}

async function converse(url: string, n: number): Promise<Turns> {
  const firstMs = async (ids: readonly number[], whose: string) => {
    const extra = { ignore_eos: true, prompt_cache_key: `${whose}-${n}-`.padEnd(32, 'x') };
    const seen = await ask(url, { promptIds: ids, maxTokens: ANSWER_TOKENS, extra });
    return { ms: seen.arrivals[0] ?? Number.NaN, ids: seen.ids };
  };
  const prompt = promptIds(FIRST_PROMPT_TOKENS);
  const first = await firstMs(prompt, 'reader');
  const question = promptIds(200).slice(-QUESTION_TOKENS);
  const longer = [...prompt, ...first.ids, ...question];
  const second = await firstMs(longer, 'reader');
  const alone = await firstMs(longer, 'stranger');
  return { firstMs: first.ms, secondMs: second.ms, aloneMs: alone.ms };
}

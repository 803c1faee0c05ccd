import { randomBytes } from 'node:crypto';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { SmallServer } from '#tests/support/small-server.ts';
import { ask } from '#tests/support/answer.ts';
import { TestServer } from '#tests/support/server.ts';
import { promptIds } from './prompt.ts';
import { atMost, machine, median, type BenchResult } from './result.ts';

const CONVERSATIONS = 3;
const FIRST_PROMPT_TOKENS = 976;
const ANSWER_TOKENS = 24;
/** Of the second question. */
const QUESTION_TOKENS = 20;
const CHOICES = 4;

interface Turns {
  readonly firstMs: number;
  readonly secondMs: number;
  /** The same ids with a key that nobody has used: what the second turn would take alone. */
  readonly aloneMs: number;
}

/**
 * Time to first token of the second turn of a conversation of 1 000 tokens, beside its first turn; of
 * four choices of one prompt of that length, beside one.
 */
export async function run(): Promise<BenchResult> {
  const turns = await rateTurns();
  const choices = await rateChoices();
  const figures = { ...turns.figures, ...choices.figures };
  const bars = [...turns.bars, ...choices.bars];
  return { name: 'prefix', machine: machine(), figures, bars };
}

type Part = Pick<BenchResult, 'figures' | 'bars'>;

async function rateTurns(): Promise<Part> {
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
    return { figures, bars };
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

/** As the gateway begins them: with one scope, all at once. */
async function rateChoices(): Promise<Part> {
  const server = await SmallServer.start(1);
  try {
    server.volunteer('a');
    await server.whole(1);
    await chooseMs(server, 1, promptIds(64));
    const prompt = promptIds(FIRST_PROMPT_TOKENS + ANSWER_TOKENS);
    const one = await chooseMs(server, 1, prompt);
    const many = await chooseMs(server, CHOICES, prompt);
    const figures = {
      'one choice, first token ms': Math.max(...one.ms).toFixed(0),
      'four choices, first token of the first and of the last ms': `${Math.min(...many.ms).toFixed(0)}, ${Math.max(...many.ms).toFixed(0)}`,
      'rows of the prompt computed for one and for four': `${one.rows}, ${many.rows}`,
    };
    const bars = [
      atMost('first token of the last of four choices over that of one', longest(many, one), {
        max: 1.3,
        unit: '×',
      }),
      atMost('rows computed of the prompt for four choices over one', many.rows / one.rows, {
        max: 1.1,
        unit: '×',
      }),
    ];
    return { figures, bars };
  } finally {
    await server.end();
  }
}

interface Choosing {
  /** To the first token, by choice. */
  readonly ms: readonly number[];
  readonly rows: number;
}

const longest = (many: Choosing, one: Choosing): number =>
  Math.max(...many.ms) / Math.max(...one.ms);

async function chooseMs(server: SmallServer, n: number, ids: readonly number[]): Promise<Choosing> {
  const heard = server.heard.length;
  const startedAt = performance.now();
  const ms: number[] = [];
  const prefix = { salt: randomBytes(32).toString('hex'), public: null };
  const choose = (choice: number): Promise<number[]> =>
    server.ask(ids, ANSWER_TOKENS, {
      sampling: { ...GREEDY, temperature: 1, seed: 1, choice },
      ...(n > 1 && { prefix }),
      onToken: (count) => {
        if (count === 1) ms.push(performance.now() - startedAt);
      },
    });
  await Promise.all(Array.from({ length: n }, (_, choice) => choose(choice)));
  return { ms, rows: server.rowsFilled(heard).reduce((sum, rows) => sum + rows, 0) };
}

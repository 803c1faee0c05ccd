import { Ajv } from 'ajv';
import fc from 'fast-check';
import { SCHEMAS, schemas, type JsonSchema } from './json-schemas.ts';
import { chunksOf, textOf } from './sse.ts';

/** C6: what is asked, and what the answer has to fit. */
export interface JsonPair {
  readonly name: string;
  readonly prompt: string;
  /** Null: any JSON object (`json_object`). */
  readonly schema: JsonSchema | null;
  readonly temperature: number;
  readonly stream: boolean;
}

const PAIRS = 200;
const SEED = 20;

const TOPICS = [
  'a person called Ada who is 36 years old',
  'three towns by the sea and how many people live there',
  'a recipe for bread, with its steps',
  'the tree of the files in a small project',
  'eine Bestellung für Käse und Brötchen',
  '東京の天気',
  'a fox 🦊 and what it ate',
  'the scores of two teams',
  'a shape: a circle or a square',
  'a shopping list',
];

const inner = (properties: JsonSchema): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** Beside the ones that grammars are tested with: what people send. */
const ASKED: Readonly<Record<string, JsonSchema | null>> = {
  'any object': null,
  sentiment: inner({
    label: { enum: ['positive', 'neutral', 'negative'] },
    sure: { type: 'number' },
  }),
  towns: inner({
    towns: {
      type: 'array',
      items: inner({ name: { type: 'string', maxLength: 12 }, people: { type: 'integer' } }),
      minItems: 1,
      maxItems: 2,
    },
  }),
  'words of the world': inner({
    größe: { enum: ['klein', 'groß', '大きい', '🦊'] },
    名前: { type: 'string', maxLength: 6 },
  }),
  call: {
    anyOf: [
      inner({ tool: { const: 'search' }, query: { type: 'string', maxLength: 20 } }),
      inner({ tool: { const: 'stop' } }),
    ],
  },
  'a linked list': {
    $defs: {
      item: inner({
        at: { type: 'integer' },
        next: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/item' }] },
      }),
    },
    $ref: '#/$defs/item',
  },
  'yes or no': inner({ answer: { type: 'boolean' } }),
  'two numbers': { type: 'array', items: { type: 'integer' }, minItems: 2, maxItems: 2 },
};

/** 200 pairs: written ones, and schemas drawn from a seed; the same on every machine. */
export function jsonPairs(): JsonPair[] {
  const written = Object.entries({ ...ASKED, ...SCHEMAS });
  const drawn = fc
    .sample(schemas, { numRuns: PAIRS - written.length, seed: SEED })
    .map((schema, i): [string, JsonSchema] => [`drawn ${i}`, schema]);
  return [...written, ...drawn].map(([name, schema], i) => ({
    name,
    schema,
    prompt: `Answer in JSON about ${TOPICS[i % TOPICS.length] ?? ''}.`,
    temperature: [0, 0.7, 1][i % 3] ?? 0,
    stream: i % 2 === 0,
  }));
}

export interface JsonVerdict {
  readonly name: string;
  readonly finish: string | null;
  /** Why the answer is not what was promised; null: it is. */
  readonly fault: string | null;
  readonly text: string;
}

interface AskOptions {
  readonly maxTokens: number;
  readonly atOnce: number;
}

/** Asks all pairs, so many at a time. */
export async function askPairs(
  url: string,
  pairs: readonly JsonPair[],
  { maxTokens, atOnce }: AskOptions,
): Promise<JsonVerdict[]> {
  const verdicts: JsonVerdict[] = [];
  const queue = pairs.entries();
  const work = async (): Promise<void> => {
    for (const [i, pair] of queue) verdicts[i] = judge(pair, await answerTo(url, pair, maxTokens));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return verdicts;
}

const ajv = new Ajv({ strict: false });

function judge(
  { name, schema }: JsonPair,
  { text, finish }: { text: string; finish: string | null },
) {
  return { name, finish, text, fault: faultOf(text, finish, schema) };
}

function faultOf(text: string, finish: string | null, schema: JsonSchema | null): string | null {
  if (finish === 'length') return null;
  if (finish !== 'stop') return 'no end';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'no JSON';
  }
  const validate = ajv.compile(schema ?? { type: 'object' });
  return validate(value) ? null : ajv.errorsText(validate.errors);
}

async function answerTo(
  url: string,
  { prompt, schema, temperature, stream }: JsonPair,
  maxTokens: number,
): Promise<{ text: string; finish: string | null }> {
  const format = schema
    ? { type: 'json_schema', json_schema: { name: 'asked', strict: true, schema } }
    : { type: 'json_object' };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ model: 'smollm2-135m-instruct', messages: [{ role: 'user', content: prompt }] },
      ...{ response_format: format, temperature, stream, seed: SEED, max_tokens: maxTokens },
    }),
  });
  const body = await response.text();
  if (!response.ok) return { text: body, finish: null };
  if (stream) {
    const chunks = chunksOf(body);
    const finish = chunks.at(-1)?.choices[0]?.finish_reason ?? null;
    return { text: textOf(chunks), finish };
  }
  const { choices } = JSON.parse(body) as { choices: readonly WholeChoice[] };
  return { text: choices[0]?.message.content ?? '', finish: choices[0]?.finish_reason ?? null };
}

interface WholeChoice {
  readonly message: { readonly content: string };
  readonly finish_reason: string;
}

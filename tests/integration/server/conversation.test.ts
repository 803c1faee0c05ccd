import { afterAll, beforeAll, expect, test } from 'vitest';
import { ChildServer } from '#tests/support/child-server.ts';
import { send } from '#tests/support/raw-http.ts';

/** A conversation with a real server process and its built-in volunteer: what is computed of each turn. */

const PAGE = 32;
const NEW_TOKENS = 20;

interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

interface Turn {
  readonly promptIds: readonly number[];
  readonly ids: readonly number[];
  readonly text: string;
  /** Ids of the prompt that no node computed, as the nodes reported. */
  readonly cached: number;
}

let server: ChildServer;
beforeAll(async () => {
  server = await ChildServer.start();
  await server.readyNode();
}, 50_000);
afterAll(async () => {
  server.kill('SIGKILL');
  await server.end();
});

async function ask(messages: readonly Message[], more: object): Promise<Turn> {
  const { status, body } = await send(server.url, {
    path: '/v1/chat/completions',
    body: {
      ...{ model: 'smollm2-135m-instruct', messages, temperature: 0, max_tokens: NEW_TOKENS },
      ...{ return_token_ids: true, ...more },
    },
  });
  expect(status).toBe(200);
  const answer = JSON.parse(body) as {
    readonly prompt_token_ids: number[];
    readonly choices: readonly [{ message: { content: string }; token_ids: number[] }];
    readonly usage: { readonly prompt_tokens_details?: { readonly cached_tokens: number } };
  };
  const [choice] = answer.choices;
  return {
    promptIds: answer.prompt_token_ids,
    ids: choice.token_ids,
    text: choice.message.content,
    cached: answer.usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

/** Up to the first difference. */
function shared(a: readonly number[], b: readonly number[]): number {
  const first = a.findIndex((id, at) => id !== b[at]);
  return first < 0 ? a.length : first;
}

const said = ({ promptIds, ids }: Turn): number[] => [...promptIds, ...ids];

const QUESTIONS = [
  'Tell me about the lighthouse on the northern cape, and about those who kept it.',
  'Who built the first tower?',
  'What did the keepers write down?',
  'And what did they have for dinner in the long winters?',
  'Sum it up.',
];

test('[S3] [S5] each turn computes its new tokens and at most a page more', async () => {
  const key = { prompt_cache_key: 'conversation-of-one-reader-1' };
  const messages: Message[] = [];
  let before: Turn | null = null;
  for (const content of QUESTIONS) {
    messages.push({ role: 'user', content });
    const turn = await ask(messages, key);
    const known = before ? shared(said(before), turn.promptIds) : 0;
    const computed = turn.promptIds.length - turn.cached;
    expect(computed).toBeLessThanOrEqual(turn.promptIds.length - known + PAGE);
    expect(turn.cached % PAGE).toBe(0);
    if (before) expect(known).toBeGreaterThanOrEqual(before.promptIds.length);
    messages.push({ role: 'assistant', content: turn.text });
    before = turn;
  }
  const last = before!;
  // Nearly all of it: what was computed in five turns is there for the fifth.
  expect(last.cached).toBeGreaterThan(last.promptIds.length / 2);

  // The same question without the key, and with another one: computed anew, and the same answer.
  const asked = messages.slice(0, -1);
  for (const other of [{}, { prompt_cache_key: 'conversation-of-another-reader' }]) {
    const alone = await ask(asked, other);
    expect(alone).toEqual({ ...last, cached: 0 });
  }

  // History that reads otherwise than it was generated counts up to the first difference.
  const edited = asked.map((message, at) =>
    at === 5 ? { ...message, content: `${message.content} (so it is said)` } : message,
  );
  const changed = await ask(edited, key);
  const known = shared(said(last), changed.promptIds);
  expect(known).toBeLessThan(last.promptIds.length - PAGE);
  expect(changed.cached).toBe(PAGE * Math.floor(known / PAGE));
}, 60_000);

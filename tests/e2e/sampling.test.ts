import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import type { Tokenizer } from '#lib/shard/package/tokenizer.ts';
import { ask, type AskOptions, type SeenAnswer } from '#tests/support/answer.ts';
import { VolunteerTab } from '#tests/support/browser.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { requestOf, sampledPrompt, sampledRows, type SampledRow } from '#tests/support/sampled.ts';
import { TestServer } from '#tests/support/server.ts';
import { ThreeTabs } from '#tests/support/three-tabs.ts';

const PACKAGE_FOLDER = fileURLToPath(
  new URL('../../public/models/smollm2-135m-instruct', import.meta.url),
);
/** Tokens that the first reader has seen when a tab is lost. */
const LOST_AT = 3;
const STOP_TOKENS = 14;
const rows = sampledRows();

/** Ids of all settings, one question after the other. */
async function alone(url: string): Promise<SeenAnswer[]> {
  const seen: SeenAnswer[] = [];
  for (const row of rows) seen.push(await answer(url, row));
  return seen;
}

/** All settings at once; `lose` is called when the first reader has seen some tokens. */
function together(url: string, lose?: () => void): Promise<SeenAnswer[]> {
  const onToken = (count: number): void => {
    if (count === LOST_AT) lose?.();
  };
  return Promise.all(rows.map((row, i) => answer(url, row, i === 0 ? { onToken } : {})));
}

const answer = (url: string, row: SampledRow, options: Pick<AskOptions, 'onToken'> = {}) =>
  ask(url, {
    promptIds: sampledPrompt(),
    maxTokens: row.ids.length,
    extra: requestOf(row),
    ...options,
  });

/** What is asked of every way to compute: the ids that one stage in Node gives, and no error. */
function expectKeptIds(seen: readonly SeenAnswer[], places: number | null = null): void {
  expect(seen.map(({ error }) => error)).toEqual(rows.map(() => null));
  expect(seen.map(({ ids }) => ids)).toEqual(rows.map(({ ids }) => ids));
  if (places !== null) expect(seen.map(placesOf)).toEqual(rows.map(() => places));
}

describe('[S8] B5 sampling over three tabs', () => {
  let cluster: ThreeTabs;
  beforeAll(async () => {
    cluster = await ThreeTabs.start();
  }, 120_000);
  afterAll(() => cluster.end());

  test('each setting alone', async () => {
    expectKeptIds(await alone(cluster.server.url), 3);
  }, 120_000);

  test('all settings at once', async () => {
    expectKeptIds(await together(cluster.server.url), 3);
  }, 120_000);

  test.each([0, 1, 2])(
    'stage %i is lost while all settings run',
    async (stage) => {
      await cluster.whole();
      const victim = await cluster.tabOf(stage);
      await victim.rendererPid();
      const { url } = cluster.server;
      const seen = await together(url, () => void victim.signal('SIGKILL'));
      expectKeptIds(seen);
      expect(seen[0]?.routes.at(-1)?.index).toBeGreaterThan(0);
      if (stage === 2) return;
      await victim.reopen(url);
      await victim.contribute();
    },
    120_000,
  );
});

describe('[S8] B5 sampling in one tab', () => {
  let server: TestServer;
  let tab: VolunteerTab;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    server = await TestServer.start(['--no-seed-volunteer']);
    tab = await VolunteerTab.open(server.url);
    await tab.contribute();
    ({ tokenizer } = await openPackageFolder(PACKAGE_FOLDER));
    await server.until('a route', ({ routes }) => routes.length > 0);
  }, 120_000);
  afterAll(async () => {
    await tab.end();
    await server.stop();
  });

  test('each setting alone', async () => {
    expectKeptIds(await alone(server.url), 1);
  }, 120_000);

  test('all settings at once', async () => {
    expectKeptIds(await together(server.url), 1);
  }, 120_000);

  test.each(['list', 'python', 'unicode', 'emoji'])(
    'a stop string across token borders leaks no character: %s',
    async (name) => {
      const row = goldenRow(name);
      const ids = row.greedyIds.slice(0, STOP_TOKENS);
      const pieces = piecesOf(tokenizer, ids);
      const text = pieces.join('');
      const stops = stopsAcross(pieces);
      expect(stops.length).toBeGreaterThan(1);
      const seen = await Promise.all(
        stops.map(async (stop) => {
          const asked = { promptIds: row.promptIds, maxTokens: STOP_TOKENS, extra: { stop } };
          const [streamed, plain] = await Promise.all([
            ask(server.url, asked),
            askPlain(server.url, asked),
          ]);
          return [stop, { text: streamed.text, finish: streamed.finish }, plain];
        }),
      );
      const wanted = stops.map((stop) => {
        const kept = { text: text.slice(0, text.indexOf(stop)), finish: 'stop' };
        return [stop, kept, kept];
      });
      expect(seen).toEqual(wanted);
    },
    120_000,
  );
});

const placesOf = ({ routes }: SeenAnswer): number => routes.at(-1)?.places.length ?? 0;

/** What each token adds to the text: nothing where it only begins a character. */
function piecesOf(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  const stream = tokenizer.stream({ skipSpecial: true });
  return ids.map((id) => stream.push(id)).concat(stream.flush());
}

/** Stop strings that no token holds: the end of a piece, what lies between, the next one's start. */
function stopsAcross(pieces: readonly string[]): string[] {
  const visible = pieces.map((piece) => Array.from(piece)).filter((piece) => piece.length > 0);
  const pairs = visible.map((piece, i) => [piece.at(-1), visible[i + 1]?.[0]]);
  const triples = visible.map((piece, i) => [
    piece.at(-1),
    ...(visible[i + 1] ?? []),
    visible[i + 2]?.[0],
  ]);
  const stops = [...pairs.slice(0, -1), ...triples.slice(0, -2)].map((parts) => parts.join(''));
  const across = stops.filter((stop) => !pieces.some((piece) => piece.includes(stop)));
  return [...new Set(across)].filter((_, i) => i % 4 === 0);
}

/** The same question without a stream. */
async function askPlain(url: string, { promptIds, maxTokens, extra }: AskOptions) {
  const response = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'smollm2-135m-instruct',
      prompt: promptIds,
      max_tokens: maxTokens,
      temperature: 0,
      ...extra,
    }),
  });
  const body = (await response.json()) as { choices?: { text: string; finish_reason: string }[] };
  return { text: body.choices?.[0]?.text, finish: body.choices?.[0]?.finish_reason };
}

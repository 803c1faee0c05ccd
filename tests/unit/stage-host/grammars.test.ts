import { describe, expect, test } from 'vitest';
import { utf8 } from '#lib/kernel/bytes.ts';
import type { SessionId } from '#lib/kernel/ids.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { Grammars } from '#lib/shard/stage/grammars.ts';
import { STAGE_HOST } from '#lib/shard/stage/limits.ts';
import type { RunSegment } from '#lib/shard/stage/types.ts';
import { ADDRESS, HASH, makeHost, prepare, SESSION, until } from './one-host.ts';

/** One token a byte, and the end. */
const EOS = 256;
const TOKENS = {
  vocab: 257,
  eosIds: new Set([EOS]),
  specialIds: new Set<number>(),
  bytesOf: (id: number) => (id < EOS ? Uint8Array.of(id) : new Uint8Array(0)),
};
const DIGITS = { manifest: HASH, schema: '{"type":"array","items":{"enum":[1,23]}}' };

const made = async (...refs: readonly (typeof DIGITS)[]): Promise<Grammars> => {
  const grammars = new Grammars(() => Promise.resolve(TOKENS));
  for (const ref of refs) await grammars.make(ref);
  return grammars;
};

interface Asked {
  readonly ref?: typeof DIGITS;
  readonly session?: SessionId;
}

/** What may come after a text, as text; the end as a full stop. */
function after(
  grammars: Grammars,
  text: string,
  { ref = DIGITS, session = SESSION }: Asked = {},
): string {
  const history = { promptIds: [], answerIds: [...utf8(text)] };
  const segment: RunSegment = {
    ...{
      session,
      place: 0,
      epoch: 1,
      firstPosition: 9,
      rows: 1,
      tokens: 1,
      ids: null,
      hidden: null,
    },
    want: { kind: 'sample', params: GREEDY, index: text.length, history },
    grammar: ref,
  };
  const { want } = grammars.masked(segment);
  return textOf(want.kind === 'sample' ? want.allowed : undefined);
}

function textOf(allowed: Uint32Array | undefined): string {
  const ids = Array.from({ length: 257 }, (_, id) => id);
  return ids
    .filter((id) => (((allowed?.[id >>> 5] ?? 0) >>> (id & 31)) & 1) === 1)
    .map((id) => (id === EOS ? '.' : String.fromCharCode(id)))
    .join('');
}

describe('masks of a host', () => {
  test('[F3] a mask is of what was said: forwards, back again, and on another node', async () => {
    const grammars = await made(DIGITS);
    const walk = ['[', '[2', '[23', '[23]', '[2', '[1', '[1,2'];
    const seen = walk.map((text) => after(grammars, text));
    expect(seen).toEqual(['\n 12]', '3', '\n ,]', '.', '3', '\n ,]', '3']);
    const other = await made(DIGITS);
    expect(after(other, '[1,2')).toBe('3');
    expect(after(grammars, '', { session: 'c'.repeat(32) as SessionId })).toBe('[');
  });

  test('[H11] grammars that are dropped are made again, and nothing is forgotten by it', async () => {
    const numbers = Array.from({ length: STAGE_HOST.grammarsMax + 1 }, (_, i) => ({
      manifest: HASH,
      schema: `{"const":${1000 + i}}`,
    }));
    const grammars = await made(DIGITS, ...numbers);
    expect(after(grammars, '[2')).toBe('3');
    const third = numbers.map((_, i) => String(Math.floor(i / 10)));
    expect(numbers.map((ref) => after(grammars, '10', { ref }))).toEqual(third);
    expect(after(grammars, '[23')).toBe('\n ,]');
  });

  test('[F3] after what another node should not have said only the end may come', async () => {
    const grammars = await made(DIGITS);
    expect(after(grammars, '[7')).toBe('.');
    expect(after(grammars, '[2')).toBe('3');
    expect(after(grammars, '[27')).toBe('.');
  });

  test('[H11] one vocabulary a model, however many ask at once; one that failed is asked for again', async () => {
    let loads = 0;
    const grammars = new Grammars(() => {
      loads += 1;
      return loads === 1 ? Promise.reject(new Error('no network')) : Promise.resolve(TOKENS);
    });
    await expect(grammars.make(DIGITS)).rejects.toThrow('no network');
    await Promise.all([grammars.make(DIGITS), grammars.make({ ...DIGITS, schema: 'true' })]);
    await grammars.make({ ...DIGITS, schema: '{}' });
    expect(loads).toBe(2);
    await expect(grammars.make({ ...DIGITS, schema: '{"type":1}' })).rejects.toMatchObject({
      code: 'request/invalid',
    });
  });
});

test('[F3] the rows of a step have the masks of what is said if the drafts before them stand', async () => {
  const grammars = await made(DIGITS);
  const said = utf8('[');
  const masksOf = (drafts: string): (string | null)[] => {
    const points = Array.from({ length: drafts.length + 1 }, (_, row) => {
      const answerIds = [...said, ...utf8(drafts.slice(0, row))];
      return { index: answerIds.length, history: { promptIds: [], answerIds } };
    });
    const { want } = grammars.masked({
      ...{ session: SESSION, place: 0, epoch: 1, firstPosition: 9, rows: points.length },
      ...{ tokens: 1, ids: null, hidden: null, grammar: DIGITS },
      want: { kind: 'sample-rows', params: GREEDY, points },
    });
    return want.kind === 'sample-rows' ? want.points.map(({ allowed }) => textOf(allowed)) : [];
  };
  expect(masksOf('23,')).toEqual(['\n 12]', '3', '\n ,]', '\n 12']);
  // Behind a draft that may not come nothing counts; and no draft is remembered.
  expect(masksOf('2x3').slice(0, 2)).toEqual(['\n 12]', '3']);
  expect(masksOf('1')).toEqual(['\n 12]', '\n ,]']);
  expect(after(grammars, '[')).toBe('\n 12]');
});

describe('a host', () => {
  test('[H11] gives the engine the mask with the sample, and the log probabilities to the owner', async () => {
    const masks: unknown[] = [];
    const { host, say, owner } = makeHost({
      loadTokens: () => Promise.resolve(TOKENS),
      onStep: (segments) => {
        for (const { want } of segments) if (want.kind === 'sample') masks.push(want.allowed?.[1]);
        return Promise.resolve();
      },
      logprobs: { logprob: -1, top: [] },
    });
    say(prepare({ grammar: '{"const":77}', maxTokens: 1 }));
    say({ type: 'fill', ...ADDRESS, starts: [0] });
    await until(() => owner().some(({ type }) => type === 'report'));
    say({ type: 'handover', ...ADDRESS, position: 3, id: 4 });
    await until(() => owner().some(({ type }) => type === 'token'));
    // Bit 55 − 32: the digit 7 alone.
    expect(masks).toEqual([1 << 23]);
    expect(owner().find(({ type }) => type === 'token')).toMatchObject({
      logprobs: { logprob: -1 },
    });
    host.dispose();
  });

  test('[S4] without a vocabulary it says so, and lives on', async () => {
    const { host, say, owner, reports } = makeHost({});
    say(prepare({ grammar: '{"const":77}' }));
    await until(() => owner().some(({ type }) => type === 'fault'));
    expect(owner()).toContainEqual(expect.objectContaining({ type: 'fault', why: 'load' }));
    expect(reports.filter(({ type }) => type === 'failed')).toEqual([]);
    host.dispose();
  });
});

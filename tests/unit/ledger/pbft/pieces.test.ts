import { expect, test, vi } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { piecesABeat } from '#lib/ledger/pbft/giving.ts';
import { LIMITS, TIMES } from '#lib/ledger/pbft/limits.ts';
import { encodeMessage, type Message } from '#lib/ledger/pbft/messages/message.ts';
import { counterApp, PART_BYTES } from '#tests/support/counter-app.ts';
import { Cluster, type Fate, type Node } from '#tests/support/replica-cluster.ts';

const PIECE_BYTES = 4 * PART_BYTES;
const LOST: Fate = [];

/** r3 was away for three checkpoints; the state has some thirty parts by then. */
function away(): Cluster {
  const cluster = new Cluster({ pieceBytes: PIECE_BYTES });
  cluster.crash(3);
  for (let i = 0; i < 25; i += 1) {
    cluster.request(`w${i}`.padEnd(64, '.'));
    cluster.run(30);
  }
  return cluster;
}

type Told = { readonly from: Node; readonly message: Message };
const isAbout = ({ type }: Message): boolean => ['state', 'parts', 'fetch-parts'].includes(type);

/** All that is said of states, as it leaves; `fate` decides. */
function listen(cluster: Cluster, fate: (told: Told) => Fate = () => [5]): Told[] {
  const told: Told[] = [];
  cluster.fate = (from, _to, message) => {
    if (!isAbout(message)) return [5];
    told.push({ from, message });
    return fate({ from, message });
  };
  return told;
}

const piecesIn = (told: readonly Told[]) =>
  told.flatMap(({ from, message }) =>
    message.type === 'state' || message.type === 'parts' ? [{ from, parts: message.parts }] : [],
  );

test('[R28] a state comes in pieces, one asked for after the other, none larger than a piece', () => {
  const cluster = away();
  const told = listen(cluster);
  cluster.restart(3);
  cluster.run(2_000);
  expect(cluster.view(3)).toMatchObject({ executed: 25, stable: 24 });
  const pieces = piecesIn(told);
  expect(pieces.length).toBeGreaterThan(5);
  for (const { parts } of pieces)
    expect(parts.reduce((sum, part) => sum + part.length, 0)).toBeLessThanOrEqual(PIECE_BYTES);
  // Whatever waits to be sent to the asker waits behind one piece at most.
  const turns = told.map(({ message }) => message.type);
  expect(turns).toEqual(
    turns.map((_, i) => (i === 0 ? 'state' : i % 2 === 1 ? 'fetch-parts' : 'parts')),
  );
  expect(new Set(pieces.map(({ from }) => from.name)).size).toBe(1);
});

test('[R28] each part is read once, as it comes; one that the application does not take is refused', () => {
  const cluster = away();
  const read = vi.spyOn(counterApp, 'readPart');
  try {
    let first: string | null = null;
    const readBefore: number[] = [];
    listen(cluster, ({ from, message }) => {
      if (message.type !== 'parts') return [5];
      first ??= from.name;
      readBefore.push(read.mock.calls.length);
      // Of the first giver's one is none.
      const isLie = from.name === first && readBefore.length === 3;
      if (isLie) read.mockReturnValueOnce(null);
      // Twice, as a question that was repeated is answered twice.
      return [5, 8];
    });
    cluster.restart(3);
    expect(cluster.until(() => cluster.view(3).stable === 24, 20_000)).toBeLessThan(Infinity);
    expect(readBefore.length).toBeGreaterThan(4);
    readBefore.slice(1).forEach((count, i) => expect(count).toBeGreaterThanOrEqual(readBefore[i]!));
    expect(readBefore.at(-1)).toBeGreaterThan(readBefore[0]!);
    // The one that was none comes once more.
    const parts = new Set(read.mock.calls.map(([bytes]) => toHex(bytes)));
    expect(read.mock.calls.length).toBe(parts.size + 1);
  } finally {
    read.mockRestore();
  }
});

test('[R28] the giver goes: another goes on with what is lacking', () => {
  const cluster = away();
  let giver: Node | null = null;
  const told = listen(cluster, ({ from, message }) => {
    if (message.type === 'state') giver ??= from;
    if (message.type === 'parts' && piecesIn(told).length > 4 && from === giver) return LOST;
    return [5];
  });
  cluster.restart(3);
  expect(cluster.until(() => cluster.view(3).stable === 24, 10_000)).toBeLessThan(Infinity);
  const pieces = piecesIn(told);
  const [first] = pieces;
  const last = pieces.at(-1)!;
  expect(last.from).not.toBe(first!.from);
  const had = new Set(pieces.slice(0, 4).flatMap(({ parts }) => parts.map((p) => toHex(p))));
  const again = pieces
    .filter(({ from }) => from === last.from)
    .flatMap(({ parts }) => parts)
    .filter((part) => had.has(toHex(part)));
  // But for the first piece, which comes with the offer.
  expect(again.length).toBeLessThanOrEqual(PIECE_BYTES / PART_BYTES);
  expect(had.size).toBeGreaterThan(2 * again.length);
});

test('[R28] a piece that was changed is refused, and the state comes from another', () => {
  const cluster = away();
  let liar: string | null = null;
  let lies = 0;
  const told = listen(cluster, ({ from, message }) => {
    if (message.type === 'state') liar ??= from.name;
    if (message.type !== 'parts' || from.name !== liar) return [5];
    lies += 1;
    const parts = message.parts.map((part) => part.map((byte) => byte ^ 1));
    cluster.inject(3, from.name, { ...message, parts });
    return LOST;
  });
  cluster.restart(3);
  expect(cluster.until(() => cluster.view(3).stable === 24, 20_000)).toBeLessThan(Infinity);
  expect(lies).toBeGreaterThan(0);
  expect(piecesIn(told).at(-1)?.from.name).not.toBe(liar);
});

test('[R28] other parts under a true header: whole they are refused, and nothing of them is executed on', () => {
  const cluster = away();
  let liar: string | null = null;
  listen(cluster, ({ from, message }) => {
    if (message.type !== 'state') return [5];
    liar ??= from.name;
    if (from.name !== liar) return [5];
    const parts = [new Uint8Array(40).fill(7)];
    cluster.inject(3, from.name, { ...message, parts, partHashes: parts.map(nodeSha256) });
    expect(cluster.view(3)).toMatchObject({ executed: 0, stable: 0 });
    return LOST;
  });
  cluster.restart(3);
  expect(cluster.until(() => cluster.view(3).stable === 24, 20_000)).toBeLessThan(Infinity);
  expect(liar).not.toBeNull();
});

test('[R28] who was refused a state gets no time for another, however often it offers one', () => {
  const cluster = away();
  const lies: { readonly name: string; readonly message: Message }[] = [];
  const told = listen(cluster, ({ from, message }) => {
    if (message.type !== 'state') return [5];
    if (lies.length === 0)
      lies.push({ name: from.name, message: { ...message, parts: [], partHashes: [] } });
    return from.name === lies[0]?.name ? LOST : [5];
  });
  cluster.restart(3);
  for (let i = 0; i < 200 && cluster.view(3).stable < 24; i += 1) {
    cluster.run(100);
    for (const { name, message } of lies) cluster.inject(3, name, message);
  }
  expect(cluster.view(3).stable).toBe(24);
  expect(new Set(told.map(({ from }) => from.name)).size).toBeGreaterThan(2);
});

test('[R28] a state without end: another goes on after so many pieces', () => {
  const cluster = away();
  const junk = Array.from({ length: 4_000 }, (_, i) =>
    new Uint8Array(2 * PART_BYTES).fill(i).fill(i >> 8, 1),
  );
  const offers: { readonly name: string; readonly sequence: number }[] = [];
  listen(cluster, ({ from, message }) => {
    if (message.type === 'state' && offers.length === 0) {
      offers.push({ name: from.name, sequence: message.header.sequence });
      const partHashes = junk.map(nodeSha256);
      cluster.inject(3, from.name, { ...message, parts: [], partHashes });
      return LOST;
    }
    return from.name === offers[0]?.name ? LOST : [5];
  });
  cluster.restart(3);
  let from = 0;
  const startedAt = cluster.nowMs;
  for (; from < junk.length && cluster.view(3).stable < 24; from += 1) {
    cluster.run(200);
    for (const { name, sequence } of offers)
      cluster.inject(3, name, { type: 'parts', sequence, from, parts: [junk[from]!] });
  }
  expect(cluster.view(3).stable).toBe(24);
  expect(cluster.nowMs - startedAt).toBeLessThan(LIMITS.piecesInTurnMax * 200 + 5_000);
});

test('[R28] who hands over crumbs holds nobody up', () => {
  const cluster = away();
  let crumbs: string | null = null;
  let count = 0;
  const told = listen(cluster, ({ from, message }) => {
    if (message.type === 'state') crumbs ??= from.name;
    if (message.type !== 'parts' || from.name !== crumbs) return [5];
    // One part at a time, each just in time.
    count += 1;
    cluster.inject(3, from.name, { ...message, parts: [] });
    return LOST;
  });
  cluster.restart(3);
  expect(cluster.until(() => cluster.view(3).stable === 24, 5_000)).toBeLessThan(Infinity);
  expect(count).toBeGreaterThan(0);
  expect(piecesIn(told).at(-1)?.from.name).not.toBe(crumbs);
});

test('[R28] a giver answers so often between two beats, and forgets a state that nobody asks for', () => {
  const cluster = away();
  let sent = 0;
  listen(cluster, ({ message }) => {
    if (message.type === 'parts') sent += 1;
    return LOST;
  });
  cluster.inject(1, 'r3', { type: 'fetch-state', epoch: 0, above: 0 });
  expect(cluster.node(1).state.giving?.head.sequence).toBe(24);
  const question = encodeMessage({ type: 'fetch-parts', sequence: 24, from: 3 });
  const most = piecesABeat(cluster.node(1).state);
  expect(most).toBe(Math.ceil(250 / TIMES.pieceMsMin));
  for (let i = 0; i < most + 40; i += 1) cluster.inject(1, 'r3', question);
  expect(sent).toBe(most);
  for (const from of [60_000, 65_535])
    cluster.inject(1, 'r2', { type: 'fetch-parts', sequence: 24, from });
  cluster.inject(1, 'r2', { type: 'fetch-parts', sequence: 16, from: 0 });
  expect(sent).toBe(most);
  cluster.run(16 * 250 + 500);
  expect(cluster.node(1).state.giving).toBeNull();
});

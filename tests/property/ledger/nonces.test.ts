import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import {
  GATEWAY_NONCES_KEPT,
  NONCES_KEPT,
  NONCE_PAGE_MAX,
  NONCES_RECENT_MAX,
} from '#lib/ledger/account/limits.ts';
import {
  judgeNonce,
  noNonces,
  outcomeIn,
  withNonce,
  type NonceTable,
} from '#lib/ledger/account/nonces.ts';
import { writeRecord } from '#lib/ledger/account/records/kinds.ts';
import type { Nonces } from '#lib/ledger/account/records/records.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';

const KEY = new Uint8Array(32).fill(7);
const ENTRY_BYTES = 25;

const idOf = (nonce: bigint, attempt = 0): Uint8Array =>
  nodeSha256(Buffer.from(`${nonce}/${attempt}`));

/** A key's records as the state holds them. */
class Table implements NonceTable {
  head: Nonces = noNonces(KEY);
  readonly pages = new Map<bigint, Uint8Array>();
  /** Bytes of the records that the last nonce wrote. */
  written = 0;

  readonly page = (from: bigint): Uint8Array => must(this.pages.get(from), 'a page that is named');

  put(nonce: bigint, kept: number): void {
    const executed = { sequence: nonce >> 1n, code: 'ok' } as const;
    const { head, pages } = withNonce(this, { nonce, id: idOf(nonce), executed }, kept);
    this.head = head;
    this.written = writeRecord('nonces', head).length;
    for (const { from, packed } of pages) {
      if (packed === null) this.pages.delete(from);
      else {
        this.pages.set(from, packed);
        this.written += writeRecord('nonce-page', { publicKey: KEY, from, packed }).length;
      }
    }
  }
}

/** What the rule says, in one sorted list. */
class Model {
  nonces: bigint[] = [];
  floor = 0n;

  judge(nonce: bigint, attempt: number, kept: number): string {
    if (nonce < this.floor) return 'too-old';
    if (this.nonces.includes(nonce)) return attempt === 0 ? 'executed' : 'used';
    const isFull = this.nonces.length >= kept;
    return isFull && nonce < must(this.nonces[0], 'a lowest') ? 'too-old' : 'fresh';
  }

  put(nonce: bigint, kept: number): void {
    this.nonces = [...this.nonces, nonce].sort((a, b) => (a < b ? -1 : 1));
    while (this.nonces.length > kept) this.floor = must(this.nonces.shift(), 'a lowest') + 1n;
  }
}

/** Mostly the next ones, sometimes late, far off, or at an end of all. */
function draw(random: Random, highest: bigint): bigint {
  const late = BigInt(random.below(900));
  const step = BigInt(random.below(4));
  const choice = random.pick(['next', 'next', 'next', 'late', 'any', 'end'] as const);
  if (choice === 'next') return highest + step;
  if (choice === 'late') return highest > late ? highest - late : late;
  if (choice === 'any') return 100_000n + BigInt(random.below(3_000));
  return random.chance(0.01) ? 2n ** 64n - 1n : BigInt(random.below(5));
}

test('[A2] a key’s table is a sorted list of its highest nonces, whatever their order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), (seed) => {
      const random = seededRandom(seed);
      const table = new Table();
      const model = new Model();
      let highest = 100_000n;
      let kept = NONCES_KEPT;
      for (let i = 0; i < 1_200; i += 1) {
        // Registered as a gateway, and revoked.
        if (random.chance(0.005)) kept = kept === NONCES_KEPT ? 700 : NONCES_KEPT;
        const nonce = draw(random, highest);
        const attempt = random.below(2);
        const verdict = judgeNonce(table, { nonce, id: idOf(nonce, attempt) }, kept);
        expect(verdict.type).toBe(model.judge(nonce, attempt, kept));
        if (verdict.type === 'executed') expect(verdict.first.sequence).toBe(nonce >> 1n);
        if (verdict.type !== 'fresh') continue;
        if (nonce > highest && nonce < 2n ** 63n) highest = nonce;
        table.put(nonce, kept);
        model.put(nonce, kept);
        expect(table.head.count).toBe(model.nonces.length);
        expect([...table.pages.keys()].sort((a, b) => (a < b ? -1 : 1))).toEqual(table.head.pages);
      }
      const lists = [...table.head.pages.map(table.page), table.head.recent];
      for (const nonce of model.nonces) {
        const found = lists.map((packed) => outcomeIn(packed, idOf(nonce)));
        expect(found.filter((each) => each !== null)).toEqual([
          { sequence: nonce >> 1n, code: 'ok' },
        ]);
      }
      expect(table.head.recent.length).toBeLessThanOrEqual(NONCES_RECENT_MAX * ENTRY_BYTES);
      for (const packed of table.pages.values()) {
        expect(packed.length).toBeLessThanOrEqual(NONCE_PAGE_MAX * ENTRY_BYTES);
      }
    }),
    { numRuns: 25 },
  );
});

test('[A2] a gateway’s transaction writes a kilobyte of its nonces, in whatever order they come', () => {
  const random = seededRandom(3);
  const orders = {
    ascending: (i: number) => BigInt(i),
    descending: (i: number) => BigInt(20_000 - i),
    'a little mixed': (i: number) => BigInt(8 * i + random.below(64)),
  };
  for (const [name, nonceOf] of Object.entries(orders)) {
    const table = new Table();
    let [bytes, count] = [0, 0];
    for (let i = 0; i < 2 * GATEWAY_NONCES_KEPT; i += 1) {
      const nonce = nonceOf(i);
      const verdict = judgeNonce(table, { nonce, id: idOf(nonce) }, GATEWAY_NONCES_KEPT);
      if (verdict.type !== 'fresh') continue;
      table.put(nonce, GATEWAY_NONCES_KEPT);
      if (i < GATEWAY_NONCES_KEPT) continue;
      [bytes, count] = [bytes + table.written, count + 1];
    }
    if (name !== 'descending') expect(bytes / count, name).toBeLessThan(1_200);
    expect(table.head.pages.length, name).toBeLessThanOrEqual(66);
  }
});

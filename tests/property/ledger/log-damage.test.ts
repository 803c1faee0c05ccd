import { expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import { signVote } from '#lib/ledger/pbft/signatures.ts';
import { createReplica, stepReplica } from '#lib/ledger/pbft/replica.ts';
import type { Image, Link, ReplicaEvent } from '#lib/ledger/pbft/types.ts';
import { decodeHead } from '#lib/ledger/store/head-layout.ts';
import { judgeFolder, type Verdict } from '#lib/ledger/store/judge.ts';
import { readLog } from '#lib/ledger/store/log-layout.ts';
import { counterApp } from '#tests/support/counter-app.ts';
import { WALL_MS } from '#tests/support/replica-cluster.ts';
import { Votes, layOut, recordLife } from '#tests/support/ledger/recorded-life.ts';

/** `npm run test:full` damages every byte; here every so many: a prime, so that all parts of a record have their turn. */
const STEP = process.env['EVERY_ROW'] === '1' ? 1 : 23;

const life = recordLife(22);
const whole = layOut(life, 24 * 1024);

interface Damaged {
  readonly segments: readonly Uint8Array[];
  readonly heads: readonly Uint8Array[];
}

function judge({ segments, heads }: Damaged): Verdict {
  const log = readLog(segments, life.owner, nodeSha256);
  return judgeFolder({ log, slots: heads.map(decodeHead), ties: whole.ties }, life.owner);
}

function imageOf(verdict: Verdict): Image {
  if (verdict.kind === 'amnesia') {
    return { state: null, pruned: { count: 0, chainHash: ZERO_HASH }, records: [], head: null };
  }
  const { state, pruned, records, head } = verdict;
  return {
    state: state && must(whole.states.get(state.sequence), 'a state'),
    pruned,
    records,
    head,
  };
}

const nameOf = ({ state, pruned, records, head }: Image): string =>
  [
    state?.header.sequence,
    pruned.count,
    head?.count,
    head?.view,
    toHex(nodeSha256(utf8(records.map((record) => toHex(nodeSha256(record))).join()))),
  ].join('/');

/** For each (view, slot) that was voted in, what its primary might propose to who forgot. */
function conflictingProposals(): { readonly bytes: Uint8Array; readonly link: Link }[] {
  const slots = [...life.votes.byPlace.keys()]
    .filter((place) => place.startsWith('prepare/') || place.startsWith('commit/'))
    .map((place) => place.split('/')[1] ?? '')
    .map((hex) => ({
      view: Number.parseInt(hex.slice(16, 32), 16),
      sequence: Number.parseInt(hex.slice(32, 48), 16),
    }));
  return slots.map(({ view, sequence }) => {
    const batch = must(
      counterApp.checkBatch(counterApp.writeBatch(WALL_MS + 100_000, [utf8('another')])),
      'a valid batch',
    );
    const { state } = life.cluster.node(view % 4);
    const vote = signVote(
      { ...state, self: view % 4, constitution: life.cluster.node(1).state.constitution },
      'pre-prepare',
      { view, sequence, digest: batch.digest },
    );
    const bytes = encodeMessage({ type: 'pre-prepare', vote, batch: batch.bytes });
    return { bytes, link: { kind: 'replica', id: `r${view % 4}` } };
  });
}

const proposals = conflictingProposals();
const seen = new Map<string, readonly string[]>();

/** Restarts on this image, hears every proposal, and says what it signed against its former life. */
function conflictsOf(image: Image): readonly string[] {
  const name = nameOf(image);
  const known = seen.get(name);
  if (known !== undefined) return known;
  const votes = new Votes();
  for (const [place, what] of life.votes.byPlace) votes.byPlace.set(place, what);
  const { signer } = life.env;
  const sign = (bytes: Uint8Array): Uint8Array => {
    votes.add(bytes);
    return signer.sign(bytes);
  };
  const env = { ...life.env, signer: { publicKey: signer.publicKey, sign } };
  const now = { atMs: instantMs(0), wallMs: WALL_MS + 100_000 };
  let state = createReplica(env, now);
  const step = (event: ReplicaEvent): void => {
    const [next, effects] = stepReplica(state, event, now);
    state = next;
    for (const effect of effects) {
      if (effect.type === 'persist') step({ type: 'stored', id: effect.id });
    }
  };
  step({ type: 'restart', image });
  for (const { bytes, link } of proposals) step({ type: 'message', bytes, link });
  seen.set(name, votes.conflicts);
  return votes.conflicts;
}

const cut = (all: readonly Uint8Array[], file: number, offset: number): Uint8Array[] =>
  all.map((bytes, i) => (i === file ? bytes.subarray(0, offset) : bytes));

function flip(all: readonly Uint8Array[], file: number, offset: number): Uint8Array[] {
  const bytes = must(all[file], 'a file').slice();
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << (offset % 8));
  return all.map((each, i) => (i === file ? bytes : each));
}

test('[B4] the log of the test is one of 32 to 64 KiB, with votes in three views', () => {
  const bytes = whole.segments.reduce((sum, each) => sum + each.length, 0);
  expect(bytes).toBeGreaterThan(32 * 1024);
  expect(bytes).toBeLessThan(64 * 1024);
  expect(whole.segments.length).toBeGreaterThan(1);
  expect(judge(whole)).toMatchObject({ kind: 'whole' });
  expect(conflictsOf(imageOf(judge(whole)))).toEqual([]);
  expect(proposals.length).toBeGreaterThan(40);
});

test('the proposals are dangerous: who forgot signs against its former life', () => {
  const head = { count: 0, chainHash: ZERO_HASH, epoch: 0, view: 0 };
  const image = { state: null, pruned: { count: 0, chainHash: ZERO_HASH }, records: [], head };
  expect(conflictsOf(image).length).toBeGreaterThan(0);
});

test('[B4] a log cut at any offset, or with any bit flipped: no vote against one that was given', () => {
  const verdicts = { whole: 0, amnesia: 0 };
  for (const [file, bytes] of whole.segments.entries()) {
    for (let offset = 0; offset < bytes.length; offset += STEP) {
      for (const segments of [
        cut(whole.segments, file, offset),
        flip(whole.segments, file, offset),
      ]) {
        const verdict = judge({ segments, heads: whole.heads });
        verdicts[verdict.kind] += 1;
        expect(conflictsOf(imageOf(verdict)), `file ${file}, offset ${offset}`).toEqual([]);
      }
    }
  }
  // Behind the last record nothing is lost; anywhere before it all votes are.
  expect(verdicts.whole).toBeGreaterThan(10);
  expect(verdicts.amnesia).toBeGreaterThan(verdicts.whole);
}, 300_000);

test('[B5] damage of one slot of the head loses nothing', () => {
  const undamaged = imageOf(judge(whole));
  const intact = nameOf(undamaged);
  for (const [file, bytes] of whole.heads.entries()) {
    for (let offset = 0; offset < bytes.length; offset += 1) {
      for (const heads of [cut(whole.heads, file, offset), flip(whole.heads, file, offset)]) {
        const image = imageOf(judge({ segments: whole.segments, heads }));
        expect(nameOf({ ...image, head: undamaged.head })).toBe(intact);
        expect(conflictsOf(image)).toEqual([]);
      }
    }
  }
});

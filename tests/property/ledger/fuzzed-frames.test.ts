import { expect, test } from 'vitest';
import { seededRandom } from '#lib/kernel/random.ts';
import { decodeRequest } from '#lib/ledger/client/wire/requests.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import { bytesOf, mutated } from '#tests/support/ledger/flood.ts';
import { PARAMETERS } from '#tests/support/counter-app.ts';
import { Cluster } from '#tests/support/replica-cluster.ts';

/** `npm run test:full` sends a million. */
const FRAMES = Number(process.env['LEDGER_FRAMES'] ?? 30_000);
/** The clock of the others goes on between so many. */
const PER_TURN = Math.max(1_000, FRAMES / 100);
const CORPUS_MAX = 2_048;
const ALL = [0, 1, 2, 3];

test(`[R2] ${FRAMES} frames that somebody changed or made up: no throw, no more memory, and on it goes`, () => {
  const random = seededRandom(11);
  const cluster = new Cluster();
  const corpus: Uint8Array[] = [];
  const kinds = new Set<string>();
  cluster.fate = (_from, _to, message) => {
    kinds.add(message.type);
    const bytes = encodeMessage(message);
    if (corpus.length < CORPUS_MAX) corpus.push(bytes);
    else corpus[random.below(CORPUS_MAX)] = bytes;
    return [5];
  };
  // A view change and a transfer, so that their messages are among those that are changed.
  for (let i = 0; i < 12; i += 1) {
    if (i === 2) cluster.crash(0);
    cluster.request(`before ${i}`, [1, 2, 3]);
    cluster.run(300);
  }
  cluster.restart(0);
  cluster.run(6_000);
  expect([...kinds]).toEqual(expect.arrayContaining(['new-view', 'view-change', 'state', 'seal']));

  const victim = 2;
  let asked = 0;
  for (let i = 0; i < FRAMES; i += 1) {
    if (i % PER_TURN === 0) {
      asked += 1;
      cluster.request(`during ${asked}`);
      cluster.run(60);
    }
    const bytes = random.chance(0.2)
      ? bytesOf(random, 1 + random.below(300))
      : mutated(random, random.pick(corpus));
    // It throws, or it does not.
    decodeRequest(bytes);
    cluster.inject(victim, `r${random.pick([0, 1, 3])}`, bytes);
  }
  const { slots, bodies, pending, viewChanges, evidence } = cluster.view(victim);
  expect(slots.length).toBeLessThanOrEqual(2 * PARAMETERS.logWindow);
  expect(bodies).toBeLessThanOrEqual(LIMITS.bodiesPerSlotMax * PARAMETERS.logWindow);
  expect(pending).toBeLessThanOrEqual(4 * LIMITS.pendingPerLinkMax);
  expect(viewChanges).toBeLessThanOrEqual(4);
  expect(evidence).toBe(0);
  cluster.request('after');
  // Who was led to leave the view alone follows at checkpoints: they take more requests.
  for (let i = 0; i < 60 && !cluster.isExecutedBy('after', ALL); i += 1) {
    cluster.request(`more ${i}`);
    cluster.run(500);
  }
  expect(cluster.isExecutedBy('after', ALL)).toBe(true);
  for (let i = 1; i <= asked; i += 1) {
    expect(cluster.isExecutedBy(`during ${i}`, [victim])).toBe(true);
  }
});

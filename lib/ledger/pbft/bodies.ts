import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { withEntry } from './layered-map.ts';
import { LIMITS } from './limits.ts';
import { memberId, met, send, slotsOf, update, type ReplicaState, type Turn } from './state.ts';
import type { CheckedBatch, Environment, Link } from './types.ts';

export const bodyOf = (state: ReplicaState, digest: Uint8Array): CheckedBatch | null =>
  state.bodies.get(toHex(digest))?.batch ?? null;

/** The batch of a gap: no request, and it leaves ledger time where it is. */
export const nullBatch = ({ application }: Environment): CheckedBatch =>
  must(application.checkBatch(application.writeBatch(0, [])), 'a null batch is valid');

export const isNull = ({ timeMs, requests }: CheckedBatch): boolean =>
  timeMs === 0 && requests.length === 0;

/** Keeps a batch until its slot is below a stable checkpoint. */
export function keepBody(turn: Turn, sequence: number, batch: CheckedBatch): void {
  const { state } = turn;
  const key = toHex(batch.digest);
  const known = state.bodies.get(key);
  if (known !== undefined && known.sequence >= sequence) return;
  const bodies = withEntry(state.bodies, key, { sequence, batch });
  const most = LIMITS.bodiesPerSlotMax * state.constitution.parameters.logWindow;
  update(turn, { bodies: bodies.size > most ? withoutOne(state, bodies) : bodies });
}

type Bodies = ReplicaState['bodies'];

/** Without the oldest that no slot names: of a view that is over, and nothing of it prepared or executed here. */
function withoutOne(state: ReplicaState, bodies: Bodies): Bodies {
  const named = new Set(
    [...state.slots.values()]
      .flatMap(({ proposal, certificate, committed }) => [
        proposal?.digest,
        certificate?.digest,
        committed,
      ])
      .concat([...state.executed.values()])
      .filter((digest) => digest instanceof Uint8Array)
      .map((digest) => toHex(digest)),
  );
  const left = new Map(bodies);
  for (const key of bodies.keys()) {
    if (named.has(key)) continue;
    left.delete(key);
    break;
  }
  return left;
}

/** Digests that slots name and whose batches are not here. */
export function missing(
  state: ReplicaState,
): { readonly sequence: number; readonly digest: Uint8Array }[] {
  return slotsOf(state).flatMap(({ sequence, proposal, committed }) => {
    const digest = committed ?? proposal?.digest ?? null;
    if (digest === null || bodyOf(state, digest) !== null) return [];
    return [{ sequence, digest }];
  });
}

/** Asks one whose COMMIT shows that it has the batch; which one, the sequence says: each has its share. */
export function fetchFrom(
  turn: Turn,
  of: {
    readonly sequence: number;
    readonly digest: Uint8Array;
    readonly commits: readonly { readonly replica: number }[];
  },
): void {
  const { sequence, digest, commits } = of;
  const others = commits.filter(({ replica }) => replica !== turn.state.self);
  const chosen = others[sequence % others.length];
  if (chosen === undefined) return;
  met(turn, 'R26 its batch is fetched');
  send(turn, { id: memberId(turn.state, chosen.replica) }, { type: 'fetch', digest });
}

/** Asks everybody for batches that are lacking; repeated with each STATUS. */
export function fetchMissing(turn: Turn): void {
  const { window } = turn.state.constitution.parameters;
  for (const { digest } of missing(turn.state).slice(0, window)) {
    send(turn, 'all', { type: 'fetch', digest });
  }
}

export function onFetch(turn: Turn, digest: Uint8Array, link: Link): void {
  const batch = bodyOf(turn.state, digest);
  if (batch === null || !mayAnswer(turn, link.id, LIMITS.fetchesPerPeerMax)) return;
  send(turn, { id: link.id }, { type: 'body', batch: batch.bytes });
}

/** Counts an answer to this name until our next STATUS; false once it had its share. */
export function mayAnswer(turn: Turn, name: string, most: number): boolean {
  const { answered } = turn.state;
  const count = answered.get(name) ?? 0;
  if (count >= most) {
    met(turn, 'R24 no more answers until the next beat');
    return false;
  }
  update(turn, { answered: new Map(answered).set(name, count + 1) });
  return true;
}

import type { NodeId } from '#lib/kernel/ids.ts';
import { SESSION } from './limits.ts';
import { update, type Complaint, type Turn } from './state.ts';

/**
 * Whom a session no longer gives a place to. A complaint proves nothing against either side (V3):
 * nobody is declared for it, the session only takes another route, and a node that is put off
 * serves all others as before.
 */

/**
 * `by` refuses what `of` sent it. Twice, and it is put off itself, for it is the one that speaks;
 * a second node that says the same puts `of` off, and the first gets its word back.
 * @returns whether somebody was put off: another route is due.
 */
export function complain(turn: Turn, by: NodeId, of: NodeId): boolean {
  const { complaints: before } = turn.state;
  const times = (before.find((each) => each.by === by && each.of === of)?.times ?? 0) + 1;
  const others = before.filter((each) => each.by !== by || each.of !== of);
  const complaints = [...others, { by, of, times }].slice(-SESSION.complaintsMax);
  update(turn, { complaints });
  const isCertain = complaints.some((each) => each.of === of && each.by !== by);
  if (!isCertain && times < SESSION.refusalsMax) return false;
  if (isCertain || by === of) accuse(turn, of);
  else set(turn, by, 'complains');
  return true;
}

/**
 * One more fault of a node since the last accepted token. Links lose frames, and most of them are
 * no node's doing; but an answer is not to die of one that finds fault with every epoch.
 * @returns whether it was put off.
 */
export function countFault(turn: Turn, by: NodeId): boolean {
  const count = (turn.state.faults.get(by) ?? 0) + 1;
  update(turn, { faults: new Map(turn.state.faults).set(by, count) });
  if (count < SESSION.faultsMax) return false;
  set(turn, by, 'faults');
  return true;
}

/** Another route without this node first; with it again where there is none. */
export const avoid = (turn: Turn, node: NodeId): void => {
  set(turn, node, 'faults');
};

/**
 * There is no route without those who are put off. Was it the other side of a complaint? Then that
 * one goes, and who complained comes back. Who only found many faults is forgiven.
 * @returns whether to ask again; false: nobody is left who could bring the answer on.
 */
export function reconsider(turn: Turn): boolean {
  const { complaints, putOff } = turn.state;
  const doubted = complaints.find(
    ({ by, of }) => putOff.get(by) === 'complains' && !putOff.has(of),
  );
  if (doubted) {
    accuse(turn, doubted.of);
    return true;
  }
  const rest = [...putOff].filter(([, why]) => why !== 'faults');
  if (rest.length === putOff.size) return false;
  update(turn, { putOff: new Map(rest), faults: new Map() });
  return true;
}

function set(turn: Turn, node: NodeId, why: 'complains' | 'accused' | 'faults'): void {
  update(turn, { putOff: new Map(turn.state.putOff).set(node, why) });
}

/** Puts `of` off for good; whoever is put off for no other complaint is not any more. */
function accuse(turn: Turn, of: NodeId): void {
  const complaints = turn.state.complaints.filter((each) => each.of !== of);
  const putOff = new Map(
    [...turn.state.putOff].filter(
      ([node, why]) => why !== 'complains' || isProvenBy(complaints, node),
    ),
  );
  update(turn, { complaints, putOff: putOff.set(of, 'accused') });
}

const isProvenBy = (complaints: readonly Complaint[], node: NodeId): boolean =>
  complaints.some(({ by, times }) => by === node && times >= SESSION.refusalsMax);

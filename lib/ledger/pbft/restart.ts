import { onProven } from './checkpoints.ts';
import { beginView } from './new-view.ts';
import { genesisState } from './genesis.ts';
import { persist } from './persist.ts';
import { founded, isMarked, judgeLog, replay } from './replay.ts';
import { met, selfIn, update, type ReplicaState, type Turn } from './state.ts';
import { storedHead } from './transfer.ts';
import type { Environment, Image, Now, StoredState } from './types.ts';

/** What a replica is after its disk was read: it votes as before, or, if it cannot know how, not at all. */
export function restarted(turn: Turn, image: Image): void {
  const { env } = turn.state;
  turn.state = storedState(env, image.state, turn.now) ?? genesisState(env, turn.now);
  const isStateLost =
    image.state !== null && turn.state.head.sequence !== image.state.header.sequence;
  const sure = (image.head?.count ?? 0) - image.pruned.count;
  const { epoch } = turn.state.constitution;
  const whole = judgeLog(env, image);
  const records = whole === null ? null : founded(whole, { epoch, sure });
  update(turn, { nextBarrier: image.pruned.count + (records?.length ?? 0) + 1 });
  const before = turn.state;
  const isMarkedLost = records !== null && isMarked(env, records);
  const isWhole = records !== null && !isMarkedLost && !isStateLost && replay(turn, records);
  if (!isWhole || isBehind(turn.state, image)) {
    turn.state = { ...before, isAmnesiac: true };
    turn.out.length = 0;
    const { publicKey } = env.signer;
    turn.out.push({ type: 'amnesia', publicKey });
    met(turn, 'R19 amnesia');
    if (isMarkedLost) met(turn, 'R19 the log says that one before it was lost');
    // What is written from here on makes a whole log again: it must say so itself.
    if (!isMarkedLost) persist(turn, { type: 'amnesia', publicKey });
    return;
  }
  met(turn, 'R18 restarted with the whole log');
  // What was proven before the state of it was on disk is made again by now.
  if (turn.state.ahead !== null) onProven(turn, turn.state.ahead);
  if (turn.state.phase.kind === 'active') beginView(turn);
}

/** The head names a view that the records do not. */
function isBehind({ constitution, view }: ReplicaState, { head }: Image): boolean {
  if (head === null || head.epoch < constitution.epoch) return false;
  return head.epoch > constitution.epoch || head.view > view;
}

/** The replica at its stored checkpoint, in view 0; null where there is none, or it is not whole. */
function storedState(env: Environment, stored: StoredState | null, now: Now): ReplicaState | null {
  if (stored === null) return null;
  const head = storedHead(env, stored);
  if (head === null) return null;
  const genesis = genesisState(env, now);
  const { certificate, epochEnds } = stored;
  const last = epochEnds.at(-1);
  const base =
    last === undefined
      ? genesis.base
      : { sequence: last.header.sequence, headerHash: last.certificate.headerHash };
  return {
    ...genesis,
    constitution: head.constitution,
    self: selfIn(env, head.constitution),
    base,
    head,
    checkpoints: new Map([[head.sequence, head]]),
    stable: certificate,
    epochEnds,
    proposed: head.sequence,
  };
}

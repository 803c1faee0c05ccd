import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import { progressed } from './deadlines.ts';
import { finish } from './ending.ts';
import { declare } from './epochs.ts';
import { sendTo, speaksFor, update, updateRoute, type Sender, type Turn } from './state.ts';
import type { SessionRequest } from './types.ts';

type Token = Extract<StageMessage, { type: 'token' }>;

/**
 * A token counts when it comes from the last place of the current epoch and is next in index (S1).
 * Every token of the current epoch, taken or not, is answered with the cumulative ack (S7).
 */
export function onToken(turn: Turn, from: Sender, message: Token): void {
  const { route, request } = turn.state;
  if (!route || !speaksFor(turn.state, from, message)) return;
  if (message.place !== route.places.length - 1) return;
  const { session } = request;
  const isNext = message.index === turn.state.acceptedIds.length;
  if (isNext && request.mayFollow?.(turn.state.acceptedIds, message.id) === false) {
    // Whoever samples asks the same of every id, whatever the logits: no sound node says this one (S8).
    declare(turn, from, 'wrong-answer');
    return;
  }
  if (isNext) accept(turn, message);
  // After the last token `end` says it all.
  if (turn.state.phase.kind === 'done') return;
  const accepted = turn.state.acceptedIds.length;
  sendTo(turn, from, { type: 'ack', session, epoch: route.epoch, accepted });
}

function accept(turn: Turn, { id, logprobs }: Token): void {
  const index = turn.state.acceptedIds.length;
  const acceptedIds = [...turn.state.acceptedIds, id];
  const asked = turn.state.request.sampling.logprobs !== null;
  update(turn, { acceptedIds, faults: new Map(), vainEpochs: 0, vainRooms: 0 });
  progressed(turn, { isRound: turn.state.route?.proven ?? false });
  updateRoute(turn, { proven: true });
  const finishedBy = finishOf(turn.state.request, acceptedIds);
  turn.out.push({
    type: 'accept',
    index,
    id,
    finish: finishedBy,
    ...(asked && logprobs && { logprobs }),
  });
  if (finishedBy) finish(turn, { kind: 'finished' });
}

/** Why an answer of these ids is complete; null while it goes on (S8). */
export function finishOf(
  request: SessionRequest,
  acceptedIds: readonly number[],
): 'stop' | 'length' | null {
  const last = acceptedIds.at(-1);
  if (last !== undefined && request.eosIds.includes(last)) return 'stop';
  return acceptedIds.length >= request.maxTokens ? 'length' : null;
}

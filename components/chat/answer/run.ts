import { isFault } from '#lib/kernel/errors.ts';
import { CHAT } from '../limits.ts';
import {
  applyBroken,
  applyChunk,
  applyFailed,
  applyForgotten,
  applyResumed,
  applyStopped,
} from './apply.ts';
import { planAttempt, reconnectDelayMs, type Attempt } from './attempt.ts';
import type { AnswerDoor, Opened } from './door.ts';
import type { Ask } from './request.ts';
import { hasEnded, LOCAL_CODES, type AnswerState, type Failure } from './state.ts';
import type { StreamEvent } from './wire.ts';

/** What the world is to a running answer; tests give their own. */
export interface RunWorld {
  readonly door: AnswerDoor;
  /** Milliseconds since the epoch. */
  clock(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export interface AnswerRun {
  /** Settles when the answer has ended, or when the page let go of it. Never rejects. */
  readonly ended: Promise<void>;
  /** The reader's Stop: what has come stays, the session is freed. */
  stop(): void;
  /** The page goes away; the answer runs on at the gateway and can be read on. */
  release(): void;
}

/**
 * Carries one answer from where it stands to its end: asks, reads, reads on where a connection
 * broke, and goes on in a new session where the gateway has forgotten it. `onChange` gets every new
 * state, synchronously. Nothing is asked before `kept` has settled: of what a reader sees of an answer
 * a reload finds the prompt.
 */
export function runAnswer(
  world: RunWorld,
  start: {
    readonly ask: Ask;
    readonly answer: AnswerState;
    readonly kept?: Promise<void> | undefined;
  },
  onChange: (answer: AnswerState) => void,
): AnswerRun {
  const control = new AbortController();
  let answer = start.answer;
  const set = (next: AnswerState): void => {
    if (next === answer || control.signal.aborted) return;
    answer = next;
    onChange(next);
  };

  const take = (event: StreamEvent): void => {
    if (event.type === 'chunk') set(applyChunk(answer, event.chunk, world.clock()));
    if (event.type !== 'error') return;
    const { code, message } = event;
    set(applyFailure(answer, { code, message, retryAt: null }));
  };

  const read = async (attempt: Attempt): Promise<void> => {
    const opened = await world.door.open(attempt, {
      ask: start.ask,
      answer,
      signal: control.signal,
    });
    if (opened.type === 'refused') {
      set(applyRefusal(answer, attempt, opened));
      return;
    }
    if (attempt.type === 'resume') set(applyResumed(answer));
    for await (const event of opened.events) take(event);
  };

  const carry = async (): Promise<void> => {
    if (start.kept) await untilKept(start.kept, world, control.signal);
    let broken = 0;
    while (!hasEnded(answer) && !control.signal.aborted) {
      const before = answer;
      let why: Failure = OFFLINE;
      try {
        await read(planAttempt(answer));
      } catch (error) {
        if (isFault(error)) why = unreadable(error.message);
        if (isFault(error, 'wire/too-large')) set(applyFailed(answer, why));
      }
      // A forgotten answer is asked for in another way at once; a broken connection after a pause.
      if (hasEnded(answer) || (before.answerId !== null && answer.answerId === null)) continue;
      broken = answer.acceptedIds.length > before.acceptedIds.length ? 1 : broken + 1;
      const delayMs = reconnectDelayMs(broken);
      if (delayMs === null) set(applyFailed(answer, why));
      else {
        set(applyBroken(answer));
        await world.sleep(delayMs, control.signal);
      }
    }
  };

  return {
    ended: carry(),
    stop() {
      const { answerId } = answer;
      set(applyStopped(answer));
      control.abort();
      // The gateway frees the session by itself 30 s later where this message is lost.
      if (answerId !== null) void world.door.stop(answerId).catch(() => undefined);
    },
    release: () => control.abort(),
  };
}

/** A store that hangs keeps nobody from an answer. */
async function untilKept(kept: Promise<void>, world: RunWorld, signal: AbortSignal): Promise<void> {
  await Promise.race([kept.catch(() => undefined), world.sleep(CHAT.keptMsMax, signal)]);
}

/** What the gateway answers where an answer was stopped. */
const STOPPED_CODE = 'answer.cancelled';
/** What it answers while it is being stopped. */
const STOPPING_CODE = 'server_stopping';
const OFFLINE = { code: LOCAL_CODES.offline, message: '', retryAt: null } as const;
const unreadable = (message: string) =>
  ({ code: LOCAL_CODES.unreadable, message, retryAt: null }) as const;

/** A refused read-on is no failure yet: the answer's ids are here, and it can go on elsewhere. */
function applyRefusal(
  answer: AnswerState,
  attempt: Attempt,
  refused: Extract<Opened, { type: 'refused' }>,
): AnswerState {
  if (attempt.type === 'read-on' && refused.status === 404) return applyForgotten(answer);
  // A server that is being stopped: the next one, or this one again, goes on with the answer.
  if (refused.failure.code === STOPPING_CODE) return answer;
  return applyFailure(answer, refused.failure);
}

/** Stopped from another page of the same reader: no failure here. */
const applyFailure = (answer: AnswerState, failure: Failure): AnswerState =>
  failure.code === STOPPED_CODE ? applyStopped(answer) : applyFailed(answer, failure);

import { LOCAL_CODES, type Failure } from '../answer/state.ts';
import { reasonText } from '#lib/kernel/reasons.ts';

/** What a person reads where an answer failed, and what they can do about it. */
export interface FailureText {
  readonly title: string;
  readonly sentence: string;
  /** Where the cure lies: asking again (now or later), lending a tab, or changing the question. */
  readonly cure: 'retry' | 'wait' | 'contribute' | 'shorten' | 'model';
}

/** One row a code; what is not in the table is told by the gateway's own sentence. */
const TEXTS: Readonly<Record<string, FailureText>> = {
  'refuse.queue': {
    title: 'The helpers are busy',
    sentence: reasonText('refuse.queue'),
    cure: 'wait',
  },
  'refuse.no_cover': {
    title: 'A part of the model is missing',
    sentence: reasonText('refuse.no_cover'),
    cure: 'contribute',
  },
  'answer.lost': {
    title: 'The answer was lost',
    sentence: 'Too many helpers left at once. What has come is kept; Retry goes on from there.',
    cure: 'retry',
  },
  context_length_exceeded: {
    title: 'This conversation is too long for the model',
    sentence: 'Shorten your message, or start a new chat.',
    cure: 'shorten',
  },
  request_too_large: {
    title: 'This message is too long',
    sentence: 'Shorten it and send it again.',
    cure: 'shorten',
  },
  model_not_found: {
    title: 'This model is not here any more',
    sentence: 'Choose another one in the settings, then send the message again.',
    cure: 'model',
  },
  [LOCAL_CODES.offline]: {
    title: 'The server cannot be reached',
    sentence: 'Check your connection. What has come is kept; Retry goes on from there.',
    cure: 'retry',
  },
  [LOCAL_CODES.unreadable]: {
    title: 'The answer cannot be read',
    sentence: 'This page may be out of date: reload it, then retry.',
    cure: 'retry',
  },
};

export function describeFailure({ code, message }: Failure): FailureText {
  const known = TEXTS[code];
  if (!known) {
    const sentence = message === '' ? 'The server met a fault. Try again.' : message;
    return { title: 'That did not work', sentence, cure: 'retry' };
  }
  // The gateway names the layers: "No node holds layers 10–19".
  if (code === 'refuse.no_cover' && message !== '') return { ...known, sentence: message };
  return known;
}

/** Whole seconds until asking again makes sense; 0: now. */
export const secondsUntil = (retryAt: number | null, now: number): number =>
  retryAt === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1_000));

import { FaultError, isFault, type FaultCode } from '#lib/kernel/errors.ts';
import { reasonText } from '#lib/kernel/reasons.ts';

/** The body of every error, here and inside a stream, as OpenAI's clients read it. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: ErrorType;
    readonly param: string | null;
    readonly code: string | null;
  };
}

export type ErrorType = 'invalid_request_error' | 'rate_limit_error' | 'server_error';

interface ErrorRow {
  readonly status: number;
  readonly type: ErrorType;
  readonly code: string;
  /** What the client is told; null: the fault's own sentence, written for people. */
  readonly text: string | null;
}

const INTERNAL: ErrorRow = {
  status: 500,
  type: 'server_error',
  code: 'internal_error',
  text: 'The server met an unexpected fault. Your request was not charged.',
};

const refused = (status: number, code: string): ErrorRow => ({
  status,
  type: 'invalid_request_error',
  code,
  text: null,
});

/**
 * The one table of statuses. A lost answer is 500: the fault is ours, not the caller's (4xx), and
 * 503 is what makes LangChain ask seven times; `x-should-retry: false` goes with it, because the
 * session has already tried every node for 30 s (S13).
 */
const ROWS: Partial<Record<FaultCode, ErrorRow>> = {
  'request/invalid': refused(400, 'invalid_value'),
  'request/unsupported': refused(400, 'unsupported_parameter'),
  'request/too-large': refused(413, 'request_too_large'),
  'request/head-too-large': refused(431, 'headers_too_large'),
  'request/media-type': refused(415, 'unsupported_media_type'),
  'request/timeout': refused(408, 'request_timeout'),
  'request/key-reused': refused(422, 'idempotency_key_reused'),
  'request/model-not-found': refused(404, 'model_not_found'),
  'request/not-found': refused(404, 'not_found'),
  'request/method-not-allowed': refused(405, 'method_not_allowed'),
  'session/context-length': refused(400, 'context_length_exceeded'),
  'session/no-cover': {
    status: 429,
    type: 'rate_limit_error',
    code: 'refuse.no_cover',
    text: null,
  },
  'session/queue-full': {
    status: 429,
    type: 'rate_limit_error',
    code: 'refuse.queue',
    text: reasonText('refuse.queue'),
  },
  'session/lost': {
    status: 500,
    type: 'server_error',
    code: 'answer.lost',
    text: reasonText('answer.lost'),
  },
  /** The one 503: whoever asks again reaches the next server, or this one when it is back. */
  'server/stopping': {
    status: 503,
    type: 'server_error',
    code: 'server_stopping',
    text: 'The server is being stopped. Ask again in a few seconds.',
  },
  /** Only a reader of an answer that somebody else stopped sees this; no client asks again. */
  'session/cancelled': {
    status: 410,
    type: 'server_error',
    code: 'answer.cancelled',
    text: 'The answer was stopped.',
  },
};

/** What is no fault of the world, or not in the table, was never meant to reach a client. */
const rowOf = (error: unknown): ErrorRow => (isFault(error) ? ROWS[error.code] : null) ?? INTERNAL;

const detail = (error: unknown, name: string): string | number | null =>
  (isFault(error) ? error.details[name] : null) ?? null;

/** Whether it is one for the operator's log. */
export const isInternal = (error: unknown): boolean => rowOf(error) === INTERNAL;

export const statusOf = (error: unknown): number => rowOf(error).status;

export function errorBody(error: unknown): ErrorBody {
  const row = rowOf(error);
  const param = detail(error, 'param');
  return {
    error: {
      message: row.text ?? (error as FaultError).message,
      type: row.type,
      param: typeof param === 'string' ? param : null,
      code: row.code,
    },
  };
}

/** Headers that tell a client whether, and when, to ask again. */
export function retryHeaders(error: unknown): Record<string, string> {
  const seconds = detail(error, 'retryAfterSeconds');
  const status = statusOf(error);
  return {
    ...(seconds === null ? {} : { 'retry-after': String(seconds) }),
    ...(status === 410 || status === 500 ? { 'x-should-retry': 'false' } : {}),
  };
}

/** A fault whose cure is in one named parameter of the request. */
export const badParam = (
  param: string,
  message: string,
  code: 'request/invalid' | 'request/unsupported' = 'request/invalid',
): FaultError => new FaultError(code, message, { details: { param } });

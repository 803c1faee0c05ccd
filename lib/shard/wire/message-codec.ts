import { utf8 } from '#lib/kernel/bytes.ts';
import { WIRE } from './limits.ts';
import {
  nodeMessageSchema,
  serverMessageSchema,
  type NodeMessage,
  type ServerMessage,
} from './node-messages.ts';

/** Messages travel as JSON text, so that their size is known before anything is parsed. */

export type MessageRejection = 'wire/too-large' | 'wire/malformed';
export type DecodedMessage<Message> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly code: MessageRejection };

interface Schema<Message> {
  safeParse(value: unknown): { success: true; data: Message } | { success: false };
}

export const encodeMessage = (message: NodeMessage | ServerMessage): string =>
  JSON.stringify(message);

/** What a node sent. Never throws. */
export const decodeNodeMessage = (input: unknown): DecodedMessage<NodeMessage> =>
  decode(input, WIRE.messageBytesMax, nodeMessageSchema);

/** What the server sent. Never throws. */
export const decodeServerMessage = (input: unknown): DecodedMessage<ServerMessage> =>
  decode(input, WIRE.serverMessageBytesMax, serverMessageSchema);

/**
 * The wire version a `hello` or `challenge` names, read before the schema of ours can refuse it:
 * an old page must hear "reload" (M2), not "malformed". Null for anything else.
 */
export function protocolOf(input: unknown): number | null {
  const value = parseBounded(input, WIRE.messageBytesMax);
  if (value === null || !('protocol' in value)) return null;
  const { protocol } = value;
  return typeof protocol === 'number' && Number.isInteger(protocol) ? protocol : null;
}

function decode<Message>(
  input: unknown,
  bytesMax: number,
  schema: Schema<Message>,
): DecodedMessage<Message> {
  if (typeof input === 'string' && isLonger(input, bytesMax)) {
    return { ok: false, code: 'wire/too-large' };
  }
  const value = parseBounded(input, bytesMax);
  const parsed = value === null ? null : schema.safeParse(value);
  return parsed?.success
    ? { ok: true, message: parsed.data }
    : { ok: false, code: 'wire/malformed' };
}

function parseBounded(input: unknown, bytesMax: number): object | null {
  if (typeof input !== 'string' || isLonger(input, bytesMax)) return null;
  try {
    const value: unknown = JSON.parse(input);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** In UTF-8 a UTF-16 unit takes one to three bytes: most texts need no counting. */
const isLonger = (text: string, bytesMax: number): boolean =>
  text.length > bytesMax || (text.length * 3 > bytesMax && utf8(text).length > bytesMax);

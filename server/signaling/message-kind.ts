import type { NodeMessage } from '#lib/shard/wire/node-messages.ts';
import type { StageMessage } from '#lib/shard/wire/session-messages.ts';

/** A node's message by what it costs to hear; what stages say of sessions is told apart. */
export type MessageKind =
  Exclude<NodeMessage['type'], 'session'> | `session/${StageMessage['type']}`;

export const kindOf = (message: NodeMessage): MessageKind =>
  message.type === 'session' ? `session/${message.message.type}` : message.type;

import * as z from 'zod/mini';
import { GATEWAY } from '../limits.ts';
import type { ChatMessage } from '../models/directory.ts';
import { listOf } from './completion.ts';

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const content = z.union([z.string(), listOf(textPart, GATEWAY.partsMax).check(z.minLength(1))], {
  error: 'content must be a string or a list of text parts',
});

const message = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant'], {
    error: 'role must be system, developer, user or assistant',
  }),
  content,
});

export const messagesSchema = listOf(message, GATEWAY.messagesMax).check(z.minLength(1));

/** `developer` is OpenAI's newer word for `system`; text parts are lines, as vLLM joins them. */
export const toChatMessages = (messages: z.infer<typeof messagesSchema>): ChatMessage[] =>
  messages.map(({ role, content: body }) => ({
    role: role === 'developer' ? 'system' : role,
    content: typeof body === 'string' ? body : body.map((part) => part.text).join('\n'),
  }));

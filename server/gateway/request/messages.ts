import * as z from 'zod/mini';
import { GATEWAY } from '../limits.ts';
import type { ChatMessage } from '../models/directory.ts';

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const content = z.union(
  [z.string(), z.array(textPart).check(z.minLength(1), z.maxLength(GATEWAY.partsMax))],
  { error: 'content must be a string or a list of text parts' },
);

export const messagesSchema = z
  .array(
    z.object({
      role: z.enum(['system', 'developer', 'user', 'assistant'], {
        error: 'role must be system, developer, user or assistant',
      }),
      content,
    }),
  )
  .check(z.minLength(1), z.maxLength(GATEWAY.messagesMax));

/** `developer` is OpenAI's newer word for `system`; text parts are lines, as vLLM joins them. */
export const toChatMessages = (messages: z.infer<typeof messagesSchema>): ChatMessage[] =>
  messages.map(({ role, content: body }) => ({
    role: role === 'developer' ? 'system' : role,
    content: typeof body === 'string' ? body : body.map((part) => part.text).join('\n'),
  }));

import * as z from 'zod/mini';
import { completionFields } from '../../request/completion.ts';
import { messagesSchema } from '../../request/messages.ts';

export const chatSchema = z.object({
  ...completionFields,
  /** The newer name; wins where both are given. */
  max_completion_tokens: completionFields.max_tokens,
  /** Left out only where `declai.resume` brings the prompt's ids. */
  messages: z.nullish(messagesSchema),
});

export type Messages = z.infer<typeof chatSchema>['messages'];

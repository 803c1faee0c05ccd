import * as z from 'zod/mini';
import { SAMPLING } from '#lib/webgpu/sampling/limits.ts';
import { completionFields } from '../../request/completion.ts';
import { messagesSchema } from '../../request/messages.ts';

export const chatSchema = z.object({
  ...completionFields,
  /** The newer name; wins where both are given. */
  max_completion_tokens: completionFields.max_tokens,
  logprobs: z.nullish(z.boolean()),
  top_logprobs: z.nullish(z.number().check(z.int(), z.gte(0), z.lte(SAMPLING.logprobsMax))),
  /** Left out only where `declai.resume` brings the prompt's ids. */
  messages: z.nullish(messagesSchema),
});

export type Messages = z.infer<typeof chatSchema>['messages'];

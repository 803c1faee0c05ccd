import * as z from 'zod/mini';
import { completionFields, tokenIdsSchema } from '../../request/completion.ts';

const one = z.union([z.string(), tokenIdsSchema]);

/** Text or token ids; a list of one prompt is that prompt, as some clients write it. */
const promptSchema = z.union([one, z.array(one).check(z.length(1))], {
  error: 'prompt must be one text or one list of token ids',
});

export const completionsSchema = z.object({
  ...completionFields,
  /** Left out only where `declai.resume` brings the prompt's ids. */
  prompt: z.nullish(promptSchema),
});

export type Prompt = z.infer<typeof one>;

/** The prompt out of its list. */
export function onePrompt(prompt: z.infer<typeof promptSchema>): Prompt {
  const [first] = prompt;
  if (typeof prompt === 'string' || typeof first === 'number' || first === undefined) {
    return prompt as Prompt;
  }
  return first;
}

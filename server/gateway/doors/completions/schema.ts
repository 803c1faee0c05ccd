import * as z from 'zod/mini';
import { SAMPLING } from '#lib/webgpu/sampling/limits.ts';
import { completionFields, isTokenIds } from '../../request/completion.ts';

export type Prompt = string | readonly number[];

const isPrompt = (value: unknown): value is Prompt =>
  typeof value === 'string' || isTokenIds(value);

/** Text or token ids; a list of one prompt is that prompt, as some clients write it. */
const isPromptOrList = (value: unknown): boolean =>
  isPrompt(value) || (Array.isArray(value) && value.length === 1 && isPrompt(value[0]));

const promptSchema = z.custom<Prompt | readonly [Prompt]>(
  isPromptOrList,
  'prompt must be one text or one list of token ids',
);

export const completionsSchema = z.object({
  ...completionFields,
  logprobs: z.nullish(z.number().check(z.int(), z.gte(0), z.lte(SAMPLING.logprobsMax))),
  /** Left out only where `declai.resume` brings the prompt's ids. */
  prompt: z.nullish(promptSchema),
});

/** The prompt out of its list. */
export function onePrompt(prompt: z.infer<typeof promptSchema>): Prompt {
  const [first] = prompt;
  if (typeof prompt === 'string' || typeof first === 'number' || first === undefined) {
    return prompt as Prompt;
  }
  return first;
}

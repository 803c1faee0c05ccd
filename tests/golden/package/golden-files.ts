import * as z from 'zod/mini';
import { readJsonLines } from '#tests/support/golden.ts';

const ids = z.array(z.number());
const tokenizerRow = z.object({ text: z.string(), ids, decoded: z.string() });
const answerRow = z.object({
  name: z.string(),
  messages: z.optional(z.array(z.object({ role: z.string(), content: z.string() }))),
  prompt: z.optional(z.string()),
  text: z.string(),
  promptIds: ids,
  greedyIds: ids,
  greedyText: z.string(),
});

export const tokenizerRows = () =>
  readJsonLines('tokenizer.jsonl').map((row) => tokenizerRow.parse(row));
export const answerRows = () =>
  readJsonLines('smollm2-135m-instruct.jsonl').map((row) => answerRow.parse(row));

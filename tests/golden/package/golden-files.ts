import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as z from 'zod/mini';

/** Path of a reference file, `tiny/llama-mha` or `gguf/tiny-f16.gguf`. */
export const goldenPath = (name: string): string =>
  fileURLToPath(new URL(`../data/${name}`, import.meta.url));

function readRows<T extends z.ZodMiniType>(name: string, schema: T): z.infer<T>[] {
  const lines = readFileSync(goldenPath(name), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => schema.parse(JSON.parse(line)));
}

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

export const tokenizerRows = () => readRows('tokenizer.jsonl', tokenizerRow);
export const answerRows = () => readRows('smollm2-135m-instruct.jsonl', answerRow);

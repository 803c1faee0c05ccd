import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A row of the reference outputs: fp32 on the dequantised weights. */
export interface GoldenRow {
  readonly name: string;
  readonly messages?: readonly { readonly role: string; readonly content: string }[];
  readonly prompt?: string;
  readonly text: string;
  readonly promptIds: readonly number[];
  readonly greedyIds: readonly number[];
  readonly endedByEos: boolean;
  readonly greedyText: string;
}

/** Path of a reference file, `tiny/llama-mha` or `gguf/tiny-f16.gguf`. */
export const goldenPath = (name: string): string =>
  fileURLToPath(new URL(`../golden/data/${name}`, import.meta.url));

export function readJsonLines(name: string): unknown[] {
  return readFileSync(goldenPath(name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

export const goldenRows = (): GoldenRow[] =>
  readJsonLines('smollm2-135m-instruct.jsonl') as GoldenRow[];

export function goldenRow(name: string): GoldenRow {
  const row = goldenRows().find((candidate) => candidate.name === name);
  if (!row) throw new Error(`no golden row ${name}`);
  return row;
}

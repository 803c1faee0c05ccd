import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openModel } from '#tests/support/engine.ts';
import { folderToGguf } from './folder-to-gguf.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { tokenizerOf } from './tokenizer-of.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'declai-gguf-folder-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a GGUF file of every architecture', () => {
  const names = ['llama-tied', 'llama3-rope', 'llama-mha', 'mistral', 'qwen2', 'qwen3'];
  it.each(names)('[K8] gives what the folder gives: %s', async (name) => {
    const path = join(root, `${name}.gguf`);
    await writeFile(path, folderToGguf(name));
    const [gguf, folder] = await Promise.all([openModel(path), openModel(goldenPath(`tiny/${name}`))]);
    // An epsilon is stored in four bytes.
    const rmsEps = Math.fround(folder.shape.rmsEps);
    expect(gguf.shape).toEqual({ ...folder.shape, rmsEps });
    for (let layer = 0; layer < folder.shape.layers; layer += 1) {
      const [ours, theirs] = [await gguf.weights.part(`layer/${layer}`), await folder.weights.part(`layer/${layer}`)];
      expect([...ours.keys()]).toEqual([...theirs.keys()]);
      for (const [tensor, stored] of theirs) expect(ours.get(tensor), tensor).toEqual(stored);
    }
  });
});

describe('tokenizers that a GGUF file only names', () => {
  const { texts, ids } = JSON.parse(
    readFileSync(goldenPath('pre-tokenizers.json'), 'utf8'),
  ) as { texts: string[]; ids: Record<string, number[][]> };

  it.each(Object.entries(ids))('[K7] %s gives the ids of the Rust library', async (pre, rows) => {
    const path = join(root, `${pre}.gguf`);
    await writeFile(path, folderToGguf('qwen2', { pre }));
    const tokenizer = await tokenizerOf(path);
    expect(texts.map((text) => tokenizer.encode(text))).toEqual(rows);
    const isComposed = (text: string): boolean => pre !== 'qwen2' || text === text.normalize('NFC');
    for (const [i, text] of texts.entries()) {
      if (isComposed(text)) expect(tokenizer.decode(rows[i] ?? [])).toBe(text);
    }
  });
});

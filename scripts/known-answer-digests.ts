// Writes lib/webgpu/known-answer-digests.ts' constants from this machine's kernels.
import { readFile, writeFile } from 'node:fs/promises';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { selfCheckDigest } from '#lib/webgpu/known-answer.ts';
import { NUMERICS, SHAPE_KINDS } from '#lib/webgpu/model.ts';

const FILE = new URL('../lib/webgpu/known-answer-digests.ts', import.meta.url);

const module = await loadKernels();
let text = await readFile(FILE, 'utf8');
for (const kind of SHAPE_KINDS) {
  for (const numerics of NUMERICS) {
    const digest = await selfCheckDigest(module, kind, numerics);
    const place = new RegExp(`(${kind}: \\{[^}]*${numerics}: )'[0-9a-f]*'`);
    text = text.replace(place, `$1'${digest}'`);
    process.stdout.write(`${kind} ${numerics} ${digest}\n`);
  }
}
await writeFile(FILE, text);

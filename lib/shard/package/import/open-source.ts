import { stat } from 'node:fs/promises';
import { FaultError } from '#lib/kernel/errors.ts';
import { openGguf } from './gguf.ts';
import { openHuggingFace } from './hugging-face.ts';
import { packSource } from './pack-source.ts';
import type { Quant } from './quant.ts';
import type { ModelSource } from './source.ts';

/**
 * A model file or folder by what it is, a `.gguf` file or a Hugging Face folder, its tensors in
 * the formats that `quant` asks for.
 * @throws FaultError `package/not-found`, `package/unsupported`, `package/malformed`.
 */
export async function openSource(path: string, quant: Quant = 'keep'): Promise<ModelSource> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new FaultError('package/not-found', `there is nothing at ${path}`, { cause });
  });
  const source = await (info.isDirectory() ? openHuggingFace(path) : openGguf(path));
  return packSource(source, quant);
}

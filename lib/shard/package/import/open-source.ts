import { stat } from 'node:fs/promises';
import { FaultError } from '#lib/kernel/errors.ts';
import { openGguf } from './gguf.ts';
import { openHuggingFace } from './hugging-face.ts';
import type { ModelSource } from './source.ts';

/**
 * A model file or folder by what it is: a `.gguf` file, or a Hugging Face folder.
 * @throws FaultError `package/not-found`, `package/unsupported`, `package/malformed`.
 */
export async function openSource(path: string): Promise<ModelSource> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new FaultError('package/not-found', `there is nothing at ${path}`, { cause });
  });
  return info.isDirectory() ? openHuggingFace(path) : openGguf(path);
}

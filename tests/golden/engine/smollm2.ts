import { fileURLToPath } from 'node:url';
import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import type { Numerics } from '#lib/webgpu/model.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import { cpuFactory, loadStage } from '#tests/support/engine.ts';

const FOLDER = fileURLToPath(
  new URL('../../../public/models/smollm2-135m-instruct', import.meta.url),
);

/** The embedded model, whole, on the CPU engine. */
export async function loadSmolLm2(numerics: Numerics): Promise<Stage> {
  const { manifest, weights } = await openPackageFolder(FOLDER);
  return loadStage(await cpuFactory(), { shape: manifest.shape, weights }, { numerics });
}

/** Prompts past this run in a file of their own: they take most of a minute. */
export const SHORT_PROMPT_MAX = 400;

import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { createTokenTable } from '#lib/webgpu/grammar/tokens.ts';

/** SmolLM2's vocabulary as grammars see it, and its tokenizer. */
export async function smollm2Tokens() {
  const { tokenizer } = await openPackageFolder('public/models/smollm2-135m-instruct');
  return { tokenizer, tokens: createTokenTable(tokenizer) };
}

import { openPackageFolder } from '#lib/shard/package/package-folder.ts';
import { createTokenTable } from '#lib/webgpu/grammar/tokens.ts';

/** SmolLM2's vocabulary as grammars see it, and its tokenizer. */
export async function smollm2Tokens() {
  const { tokenizer } = await openPackageFolder('public/models/smollm2-135m-instruct');
  const { vocab, eosIds } = tokenizer;
  const isSpecial = (id: number): boolean =>
    tokenizer.bytesOf(id).length > 0 && tokenizer.decode([id], { skipSpecial: true }) === '';
  const specialIds = new Set(Array.from({ length: vocab }, (_, id) => id).filter(isSpecial));
  const bytesOf = (id: number): Uint8Array => tokenizer.bytesOf(id);
  return { tokenizer, tokens: createTokenTable({ vocab, eosIds, specialIds, bytesOf }) };
}

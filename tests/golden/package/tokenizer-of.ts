import { openSource } from '#lib/shard/package/import/open-source.ts';
import { loadTokenizer, type Tokenizer } from '#lib/shard/package/tokenizer.ts';

/** The tokenizer of a model file or folder, without a package. */
export async function tokenizerOf(path: string): Promise<Tokenizer> {
  const source = await openSource(path);
  await source.close();
  const { bytes, bosId, addBos, eosIds } = source.tokenizer;
  const tokenizer = { bosId, addBos, eosIds: [...eosIds], bytes: bytes.length, chunks: [] };
  return loadTokenizer({ shape: source.shape, tokenizer }, bytes);
}

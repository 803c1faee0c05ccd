import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { byteLevelTokenizer } from './byte-level-tokenizer.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import { preTokenizer } from './pre-tokenizers.ts';
import { sentencePieceTokenizer } from './sentence-piece.ts';
import type { SourceTokenizer } from './source.ts';

/** What `@huggingface/tokenizers` takes, and what the file's makers take for granted. */
interface Built {
  readonly tokenizer: object;
  readonly config: object;
  /** Where the file says nothing of it. */
  readonly addBos: boolean;
  readonly bosId: number | null;
  readonly eosId: number | null;
}

const KINDS = new Map<string, (metadata: GgufMetadata) => Built>([
  [
    'gpt2',
    (metadata) => {
      const pre = preTokenizer(metadata.optionalString('tokenizer.ggml.pre') ?? 'none');
      const tokenizer = byteLevelTokenizer(metadata, pre);
      return { tokenizer, config: {}, addBos: pre.addBos, bosId: null, eosId: null };
    },
  ],
  [
    'llama',
    (metadata) => ({ ...sentencePieceTokenizer(metadata), addBos: true, bosId: 1, eosId: 2 }),
  ],
]);

/**
 * The tokenizer of a GGUF as a Hugging Face `tokenizer.json`.
 * @throws FaultError `package/unsupported` naming another tokenizer or pre-tokenizer,
 *   `package/malformed` where tokens come twice or are missing.
 */
export function ggufTokenizer(metadata: GgufMetadata): SourceTokenizer {
  const model = metadata.string('tokenizer.ggml.model');
  const build = KINDS.get(model);
  if (!build) throw new FaultError('package/unsupported', `tokenizer ${model.slice(0, 64)}`);
  const { tokenizer, config, ...usual } = build(metadata);
  const bosId = metadata.optionalNumber('tokenizer.ggml.bos_token_id') ?? usual.bosId;
  return {
    bosId,
    addBos: bosId !== null && metadata.boolean('tokenizer.ggml.add_bos_token', usual.addBos),
    eosIds: endTokens(metadata, usual.eosId),
    bytes: utf8(JSON.stringify({ tokenizer, config })),
  };
}

/** End of text, of a turn and of a message, where the file names them. */
function endTokens(metadata: GgufMetadata, usual: number | null): number[] {
  const named = ['eos', 'eot', 'eom'].map((name) =>
    metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`),
  );
  const ids = [named[0] ?? usual, ...named.slice(1)].filter((id) => id !== null);
  return [...new Set(ids)];
}

import { FaultError } from '#lib/kernel/errors.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import { addedTokens, EMPTY_PARTS, ggufTokens, PLAIN_BPE, vocabOf } from './gguf-tokens.ts';
import { byteLevel, type PreTokenizer } from './pre-tokenizers.ts';

/** Byte-level BPE (`tokenizer.ggml.model` is `gpt2`) as a `tokenizer.json`. */
export function byteLevelTokenizer(metadata: GgufMetadata, pre: PreTokenizer): object {
  const tokens = ggufTokens(metadata);
  return {
    ...EMPTY_PARTS,
    added_tokens: addedTokens(tokens),
    normalizer: pre.normalizer,
    pre_tokenizer: { type: 'Sequence', pretokenizers: pre.steps },
    decoder: byteLevel(true),
    model: {
      ...PLAIN_BPE,
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges,
      vocab: vocabOf(tokens),
      merges: metadata.strings('tokenizer.ggml.merges').map(mergePair),
    },
  };
}

function mergePair(merge: string): [string, string] {
  const space = merge.indexOf(' ', 1);
  if (space < 0) throw new FaultError('package/malformed', 'a merge is not two tokens');
  return [merge.slice(0, space), merge.slice(space + 1)];
}

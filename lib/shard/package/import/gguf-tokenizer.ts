import { utf8 } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import type { SourceTokenizer } from './source.ts';

/** ggml's token types: control tokens are special, user-defined ones merely never split. */
const CONTROL = 3;
const USER_DEFINED = 4;

const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const split = (regex: string) => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
});
const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" +
  ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

interface PreTokenizer {
  readonly ignoreMerges: boolean;
  readonly steps: readonly object[];
}

/** A GGUF names its pre-tokenizer only; these are llama.cpp's rules behind the names. */
const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  ['gpt-2', { ignoreMerges: false, steps: [byteLevel(true)] }],
  ['smollm', { ignoreMerges: false, steps: [split('\\p{N}'), byteLevel(true)] }],
  ['llama-bpe', { ignoreMerges: true, steps: [split(LLAMA3_PATTERN), byteLevel(false)] }],
]);

/**
 * Byte-level BPE of a GGUF as a Hugging Face `tokenizer.json`.
 * @throws FaultError `package/unsupported` naming another tokenizer or pre-tokenizer.
 */
export function ggufTokenizer(metadata: GgufMetadata): SourceTokenizer {
  const model = metadata.string('tokenizer.ggml.model');
  if (model !== 'gpt2') {
    throw new FaultError('package/unsupported', `tokenizer ${model.slice(0, 64)}`);
  }
  const name = metadata.optionalString('tokenizer.ggml.pre') ?? 'none';
  const pre = PRE_TOKENIZERS.get(name);
  if (!pre) throw new FaultError('package/unsupported', `pre-tokenizer ${name.slice(0, 64)}`);
  const bosId = metadata.optionalNumber('tokenizer.ggml.bos_token_id');
  return {
    bosId,
    addBos: bosId !== null && metadata.boolean('tokenizer.ggml.add_bos_token', false),
    eosIds: endTokens(metadata),
    bytes: utf8(JSON.stringify({ tokenizer: tokenizerJson(metadata, pre), config: {} })),
  };
}

/** End of text, of a turn and of a message, where the file names them. */
function endTokens(metadata: GgufMetadata): number[] {
  const ids = ['eos', 'eot', 'eom']
    .map((name) => metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`))
    .filter((id) => id !== null);
  return [...new Set(ids)];
}

function tokenizerJson(metadata: GgufMetadata, pre: PreTokenizer): object {
  const tokens = metadata.strings('tokenizer.ggml.tokens');
  const types = metadata.numbers('tokenizer.ggml.token_type');
  if (types.length !== tokens.length || new Set(tokens).size !== tokens.length) {
    throw new FaultError('package/malformed', 'tokens come twice or have no type');
  }
  const added = tokens.flatMap((content, id) =>
    types[id] === CONTROL || types[id] === USER_DEFINED
      ? [addedToken(id, content, types[id] === CONTROL)]
      : [],
  );
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: pre.steps },
    post_processor: null,
    decoder: byteLevel(true),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: metadata.strings('tokenizer.ggml.merges').map(mergePair),
    },
  };
}

const addedToken = (id: number, content: string, special: boolean) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special,
});

function mergePair(merge: string): [string, string] {
  const space = merge.indexOf(' ', 1);
  if (space < 0) throw new FaultError('package/malformed', 'a merge is not two tokens');
  return [merge.slice(0, space), merge.slice(space + 1)];
}

import { FaultError } from '#lib/kernel/errors.ts';

export const byteLevel = (useRegex: boolean) => ({
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

/** Words, runs of at most `digits` numbers, signs, and white space: GPT-4's pattern and its kin. */
const wordPattern = (digits: string): string =>
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" +
  `${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** How text is cut into words before byte-level BPE joins their bytes. */
export interface PreTokenizer {
  readonly normalizer: object | null;
  readonly steps: readonly object[];
  /** A word that is a token is taken whole, whatever the merges would make of it. */
  readonly ignoreMerges: boolean;
  /** A begin token comes first unless the file says otherwise. */
  readonly addBos: boolean;
}

const plain = { normalizer: null, ignoreMerges: false, addBos: false };

/**
 * A GGUF names its pre-tokenizer only; these are the rules that the models were trained with,
 * as llama.cpp applies them behind the names (`llm_tokenizer_bpe`). Qwen's composes Unicode (NFC)
 * first, which llama.cpp leaves out.
 */
const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map([
  ['gpt-2', { ...plain, steps: [byteLevel(true)] }],
  ['smollm', { ...plain, steps: [split('\\p{N}'), byteLevel(true)] }],
  [
    'llama-bpe',
    {
      ...plain,
      steps: [split(wordPattern('\\p{N}{1,3}')), byteLevel(false)],
      ignoreMerges: true,
      addBos: true,
    },
  ],
  [
    'qwen2',
    {
      ...plain,
      normalizer: { type: 'NFC' },
      steps: [split(wordPattern('\\p{N}')), byteLevel(false)],
    },
  ],
]);

/** @throws FaultError `package/unsupported` naming the pre-tokenizer. */
export function preTokenizer(name: string): PreTokenizer {
  const pre = PRE_TOKENIZERS.get(name);
  if (pre) return pre;
  const known = [...PRE_TOKENIZERS.keys()].join(', ');
  const message = `pre-tokenizer ${name.slice(0, 64)}; known are ${known}`;
  throw new FaultError('package/unsupported', message);
}

import { must } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { IMPORT } from '../limits.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import {
  addedTokens,
  EMPTY_PARTS,
  ggufTokens,
  PLAIN_BPE,
  TOKEN,
  vocabOf,
  type GgufToken,
} from './gguf-tokens.ts';

/** SentencePiece writes a space so. */
const SPACE = '▁';

/**
 * SentencePiece BPE with byte fallback (`tokenizer.ggml.model` is `llama`) as a `tokenizer.json`,
 * as transformers converts it. A SentencePiece model has scores instead of merges: of two
 * neighbours the pair whose joined piece scores highest is joined, the leftmost of equals.
 * @throws FaultError `package/malformed`, `package/too-large`.
 */
export function sentencePieceTokenizer(metadata: GgufMetadata): {
  tokenizer: object;
  config: { mergeRanks: readonly number[] };
} {
  const tokens = ggufTokens(metadata);
  requireBytes(tokens);
  const { merges, ranks } = mergesOf(tokens, scoresOf(metadata, tokens));
  const hasPrefix = metadata.boolean('tokenizer.ggml.add_space_prefix', true);
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };
  const prefix = { type: 'Prepend', prepend: SPACE };
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
  return {
    tokenizer: {
      ...EMPTY_PARTS,
      added_tokens: addedTokens(tokens),
      normalizer: { type: 'Sequence', normalizers: hasPrefix ? [prefix, spaces] : [spaces] },
      pre_tokenizer: null,
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          ...(hasPrefix ? [strip] : []),
        ],
      },
      model: {
        ...PLAIN_BPE,
        unk_token: tokens.find(({ type }) => type === TOKEN.unknown)?.text ?? null,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab: vocabOf(tokens),
        merges,
      },
    },
    config: { mergeRanks: ranks },
  };
}

/** Without one of them some text would vanish. */
function requireBytes(tokens: readonly GgufToken[]): void {
  const found = new Set(tokens.filter(({ type }) => type === TOKEN.byte).map(({ text }) => text));
  for (let byte = 0; byte < 256; byte += 1) {
    const text = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    if (!found.has(text)) throw new FaultError('package/malformed', `there is no token ${text}`);
  }
}

function scoresOf(metadata: GgufMetadata, tokens: readonly GgufToken[]): readonly number[] {
  const scores = metadata.numbers('tokenizer.ggml.scores');
  if (scores.length === tokens.length && !scores.some(Number.isNaN)) return scores;
  throw new FaultError('package/malformed', 'tokens have no scores');
}

interface Merge {
  readonly pair: [string, string];
  readonly score: number;
}

/**
 * Every way to make a piece of two others, the best first; `ranks` are equal where scores are.
 * Control, byte and unused tokens are never made by joining.
 */
function mergesOf(
  tokens: readonly GgufToken[],
  scores: readonly number[],
): { merges: [string, string][]; ranks: number[] } {
  const joined = (type: number) => type === TOKEN.normal || type === TOKEN.userDefined;
  const pieces = new Map(
    tokens.flatMap(({ text, type }, id) => (joined(type) ? [[text, scores[id] ?? 0]] : [])),
  );
  const all: Merge[] = [];
  for (const [text, score] of pieces) {
    for (const pair of cuts(text)) {
      if (pieces.has(pair[0]) && pieces.has(pair[1])) all.push({ pair, score });
    }
    if (all.length > IMPORT.ggufArrayItemsMax) {
      throw new FaultError('package/too-large', 'pieces can be made in too many ways');
    }
  }
  // Stable: pairs of one score stay in the order of their pieces.
  all.sort((a, b) => b.score - a.score);
  const ranks: number[] = [];
  for (const [i, { score }] of all.entries()) {
    const before = must(all[Math.max(0, i - 1)], 'the one before').score;
    const rank = ranks.at(-1) ?? 0;
    ranks.push(i > 0 && score < before ? rank + 1 : rank);
  }
  return { merges: all.map(({ pair }) => pair), ranks };
}

/** A piece cut in two between any of its characters. */
function cuts(text: string): [string, string][] {
  if (text.length > IMPORT.pieceCharsMax) {
    throw new FaultError('package/too-large', `a piece of ${text.length} characters`);
  }
  const chars = Array.from(text);
  return chars.slice(1).map((_, i): [string, string] => {
    const left = chars.slice(0, i + 1).join('');
    return [left, text.slice(left.length)];
  });
}

import { describe, expect, it } from 'vitest';
import { literalTexts } from '#lib/shard/package/literal-text.ts';

const literal = (text: string, specialTexts: readonly string[], template = '') => {
  const { texts, mark } = literalTexts([text], { specialTexts, template });
  return { marked: texts[0] ?? '', mark };
};

describe('literal texts', () => {
  it('[K7] leaves a text without special tokens as it is', () => {
    expect(literal('a <b> \ufdd0', ['<s>'])).toEqual({ marked: 'a <b> \ufdd0', mark: '' });
  });

  it.each([
    ['<<s>>', ['<<s>>', '<s>']],
    ['<<s>>', ['<s>', '<<s>>']],
    ['abc', ['ab', 'bc']],
    ['aaaa', ['aa']],
    ['$&<s>$&', ['<s>']],
    ['\u{1f600}\u{1f601}', ['\u{1f600}\u{1f601}']],
  ])('[K7] breaks every special token in %s', (text, specials) => {
    const { marked, mark } = literal(text, specials);
    expect(specials.filter((special) => marked.includes(special))).toEqual([]);
    expect(marked.replaceAll(mark, '')).toBe(text);
  });

  it('[K7] takes a mark that is nowhere else, and leaves a token of one character', () => {
    expect(literal('<s>\ufdd0', ['<s>', '\ufdd1>'], '\ufdd2').mark).toBe('\ufdd3');
    expect(literal('a b', [' '])).toEqual({ marked: 'a b', mark: '' });
  });
});

import { FaultError } from '#lib/kernel/errors.ts';

/** Code points that Unicode keeps out of interchanged text, for use within a program. */
const MARKS = Array.from({ length: 32 }, (_, i) => String.fromCodePoint(0xfdd0 + i));

export interface LiteralTexts {
  /** The texts, each special token in them broken by {@link mark}. */
  readonly texts: readonly string[];
  /** What `Tokenizer.encode` drops again once special tokens were looked for; '' where none is. */
  readonly mark: string;
}

/**
 * Texts that a person wrote, so that a chat template can carry them to the tokenizer and no special
 * token's text in them becomes that token: no message can end its turn, or speak as another role.
 * A token of one character cannot be broken, and stays.
 * @throws FaultError `request/invalid` where every mark is in the texts.
 */
export function literalTexts(
  texts: readonly string[],
  { specialTexts, template }: { specialTexts: readonly string[]; template: string },
): LiteralTexts {
  const breakable = specialTexts.filter((special) => special.length > 1);
  const inside = breakable.filter((special) => texts.some((text) => text.includes(special)));
  if (inside.length === 0) return { texts, mark: '' };
  const taken = [...texts, ...specialTexts, template];
  const mark = MARKS.find((candidate) => !taken.some((text) => text.includes(candidate)));
  if (mark === undefined) {
    throw new FaultError(
      'request/invalid',
      'the text holds every code point from U+FDD0 to U+FDEF',
    );
  }
  return { texts: texts.map((text) => broken(text, inside, mark)), mark };
}

function broken(text: string, specials: readonly string[], mark: string): string {
  let marked = text;
  // Until none is left: one may lie in another, or over its beginning.
  for (;;) {
    const special = specials.find((candidate) => marked.includes(candidate));
    if (special === undefined) return marked;
    const [first = ''] = special;
    marked = marked.replaceAll(special, () => first + mark + special.slice(first.length));
  }
}

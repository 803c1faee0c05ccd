/**
 * The inside of a JSON string, byte by byte (RFC 8259, section 7): well-formed UTF-8 (Unicode 16,
 * table 3-7), escapes, and surrogates in pairs only, so that any reader takes the text.
 */
export const TEXT = 0;
export const QUOTE = 0x22;

const HEX = '0123456789abcdefABCDEF';
/** By state: the bytes that may come, and where they lead. */
const MOVES: Readonly<Record<string, readonly (readonly [bytes: string | Range, to: string])[]>> = {
  text: [
    [[0x20, 0x21], 'text'],
    [[0x23, 0x5b], 'text'],
    ['\\', 'escape'],
    [[0x5d, 0x7f], 'text'],
    [[0xc2, 0xdf], 'tail1'],
    [[0xe0, 0xe0], 'e0'],
    [[0xe1, 0xec], 'tail2'],
    [[0xed, 0xed], 'ed'],
    [[0xee, 0xef], 'tail2'],
    [[0xf0, 0xf0], 'f0'],
    [[0xf1, 0xf3], 'tail3'],
    [[0xf4, 0xf4], 'f4'],
  ],
  tail1: [[[0x80, 0xbf], 'text']],
  tail2: [[[0x80, 0xbf], 'tail1']],
  tail3: [[[0x80, 0xbf], 'tail2']],
  e0: [[[0xa0, 0xbf], 'tail1']],
  ed: [[[0x80, 0x9f], 'tail1']],
  f0: [[[0x90, 0xbf], 'tail2']],
  f4: [[[0x80, 0x8f], 'tail2']],
  escape: [
    ['"\\/bfnrt', 'text'],
    ['u', 'hex1'],
  ],
  hex1: [
    ['0123456789abcefABCEF', 'hex2'],
    ['dD', 'hexD'],
  ],
  hex2: [[HEX, 'hex3']],
  hex3: [[HEX, 'hex4']],
  hex4: [[HEX, 'text']],
  hexD: [
    ['01234567', 'hex3'],
    ['89abAB', 'high3'],
  ],
  high3: [[HEX, 'high4']],
  high4: [[HEX, 'low']],
  low: [['\\', 'lowU']],
  lowU: [['u', 'lowHex1']],
  lowHex1: [['dD', 'lowHex2']],
  lowHex2: [['cdefCDEF', 'hex3']],
};

type Range = readonly [first: number, last: number];

const STATES = Object.keys(MOVES);
const REFUSED = -1;
const NEXT = buildTable();

function buildTable(): Int8Array {
  const table = new Int8Array(STATES.length * 256).fill(REFUSED);
  for (const [state, moves] of Object.values(MOVES).entries()) {
    for (const [bytes, to] of moves) {
      for (const byte of typeof bytes === 'string' ? codes(bytes) : range(bytes)) {
        table[state * 256 + byte] = STATES.indexOf(to);
      }
    }
  }
  return table;
}

function codes(text: string): number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}

function range([first, last]: Range): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** The state after `byte`; −1 where it may not come. The closing quote is not for this table. */
export const nextChar = (state: number, byte: number): number =>
  NEXT[state * 256 + byte] ?? REFUSED;

/** A string's literal in ASCII: for vocabularies that lack a byte of the plain one. */
export const escaped = (literal: string): string =>
  literal.replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/**
 * GPT-2's byte alphabet: byte-level BPE writes each byte as one printable character. Bytes that
 * are printable in Latin-1 stand for themselves, the others follow from U+0100 in order.
 */
const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

function byteAlphabet(): ReadonlyMap<string, number> {
  const alphabet = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte += 1) {
    alphabet.set(String.fromCharCode(isPrintable(byte) ? byte : next), byte);
    if (!isPrintable(byte)) next += 1;
  }
  return alphabet;
}

const ALPHABET = byteAlphabet();

/** The bytes a token stands for; `null` where it is not written in the byte alphabet. */
export function tokenBytes(token: string): Uint8Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i += 1) {
    const byte = ALPHABET.get(token.charAt(i));
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}

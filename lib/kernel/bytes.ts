const DIGITS = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** As many as a call may have arguments, and more. */
const PIECE_BYTES = 1_024;

/** Made in one piece, and not digit by digit: what it names is looked up more often than it is read. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length <= PIECE_BYTES) return pieceToHex(bytes);
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    text += pieceToHex(bytes.subarray(at, at + PIECE_BYTES));
  return text;
}

function pieceToHex(bytes: Uint8Array): string {
  const codes = new Array<number>(2 * bytes.length);
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] ?? 0;
    codes[2 * i] = DIGITS[byte >> 4] ?? 0;
    codes[2 * i + 1] = DIGITS[byte & 15] ?? 0;
  }
  return String.fromCharCode(...codes);
}

/** Bytes of an even run of hex digits; `null` where `text` is anything else. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

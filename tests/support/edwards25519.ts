/**
 * Edwards25519 in plain integers (RFC 8032 §5.1), slow and short: an oracle for signatures, and the
 * means to make points that no honest signer makes.
 */

export const P = 2n ** 255n - 19n;
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const mod = (value: bigint, by = P): bigint => ((value % by) + by) % by;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = mod(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

const inverse = (value: bigint): bigint => power(value, P - 2n);
const D = mod(-121665n * inverse(121666n));
const SQRT_MINUS_ONE = power(2n, (P - 1n) / 4n);

/** Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. */
export type Point = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint];

export const IDENTITY: Point = [0n, 1n, 1n, 0n];

export const isIdentity = ([x, y, z]: Point): boolean => x === 0n && y === z;

export function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

export const negate = ([x, y, z, t]: Point): Point => [mod(-x), y, z, mod(-t)];

export function multiply(scalar: bigint, point: Point): Point {
  let result = IDENTITY;
  let double = point;
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = add(result, double);
    double = add(double, double);
  }
  return result;
}

export function encode([x, y, z]: Point): Uint8Array {
  const inverseZ = inverse(z);
  const sign = mod(x * inverseZ) & 1n;
  return toBytes(mod(y * inverseZ) | (sign << 255n));
}

/** The point, `y` taken modulo p as lax libraries do; null where it is not on the curve. */
export function decode(bytes: Uint8Array): Point | null {
  const number = toNumber(bytes);
  const sign = number >> 255n;
  const y = mod(number & (2n ** 255n - 1n));
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  const square = mod(u * inverse(v));
  let x = power(square, (P + 3n) / 8n);
  if (mod(x * x) !== square) x = mod(x * SQRT_MINUS_ONE);
  if (mod(x * x) !== square) return null;
  if ((x & 1n) !== sign) x = mod(-x);
  return [x, y, 1n, mod(x * y)];
}

const baseY = mod(4n * inverse(5n));
export const BASE: Point = decode(toBytes(baseY)) ?? IDENTITY;

/** The eight points whose multiple by 8 is the identity; the i-th is i times the first of order 8. */
export const TORSION: readonly Point[] = torsion();

function torsion(): Point[] {
  for (let y = 2n; ; y += 1n) {
    const point = decode(toBytes(y));
    if (point === null) continue;
    const small = multiply(L, point);
    if (!isIdentity(multiply(4n, small)))
      return Array.from({ length: 8 }, (_, i) => multiply(BigInt(i), small));
  }
}

export function toBytes(value: bigint, length = 32): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

export function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

import { bytesEqual } from '../sha256.ts';

/**
 * The one rule for Ed25519 on every platform: cofactorless (RFC 8032 §5.1.7 with S·B = R + h·A) and R
 * compared as bytes. Libraries agree on that once these checks stand before them; without them tweetnacl
 * takes S + L for S, and OpenSSL, BoringSSL and libsodium differ over keys of small order and over
 * encodings of y ≥ p ("Taming the many EdDSAs", Chalkias, Garillot, Nikolaenko, SSR 2020).
 */

export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** A library's verification, behind the pre-checks: of a key of 32 and a signature of 64 bytes. */
export type Verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
export type VerifyAsync = (...args: Parameters<Verify>) => Promise<boolean>;

/** L, the order of the base point, little-endian: 2²⁵² + 27742317777372353535851937790883648493. */
const ORDER = Uint8Array.of(
  ...[
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
  ],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10],
);

/** y of the eight points of small order, little-endian; their two signs of x share a y. */
const SMALL_ORDER_YS: readonly Uint8Array[] = [
  littleEndian(0n),
  littleEndian(1n),
  littleEndian(2n ** 255n - 20n),
  littleEndian(0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n),
  littleEndian(0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n),
];

/** Lengths, S < L, A and R canonical and not of small order: what must hold before a library is asked. */
export function admissible(publicKey: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  return (
    scalarBelowOrder(signature.subarray(32)) &&
    pointAdmissible(publicKey) &&
    pointAdmissible(signature.subarray(0, 32))
  );
}

export const withRule =
  (verify: Verify): Verify =>
  (publicKey, message, signature) =>
    admissible(publicKey, signature) && verify(publicKey, message, signature);

export const withRuleAsync =
  (verify: VerifyAsync): VerifyAsync =>
  async (publicKey, message, signature) =>
    admissible(publicKey, signature) && (await verify(publicKey, message, signature));

function scalarBelowOrder(scalar: Uint8Array): boolean {
  for (let i = 31; i >= 0; i -= 1) {
    const difference = (scalar[i] ?? 0) - (ORDER[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** y < p, and not one of the eight points; whether y is on the curve is the library's to say. */
function pointAdmissible(point: Uint8Array): boolean {
  const y = Uint8Array.from(point);
  y[31] = (y[31] ?? 0) & 0x7f;
  return belowFieldPrime(y) && !SMALL_ORDER_YS.some((small) => bytesEqual(small, y));
}

/** p = 2²⁵⁵ − 19: all ones but for the last byte, 0xed. */
function belowFieldPrime(y: Uint8Array): boolean {
  if (y[31] !== 0x7f) return true;
  for (let i = 30; i > 0; i -= 1) if (y[i] !== 0xff) return true;
  return (y[0] ?? 0) < 0xed;
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

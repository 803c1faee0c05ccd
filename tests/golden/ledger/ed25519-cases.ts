import { createHash } from 'node:crypto';
import { utf8, toHex, concatBytes } from '#lib/kernel/bytes.ts';
import {
  add,
  BASE,
  decode,
  encode,
  IDENTITY,
  isIdentity,
  L,
  multiply,
  negate,
  P,
  toBytes,
  toNumber,
  TORSION,
  type Point,
} from '#tests/support/edwards25519.ts';

/** One line of `data/ledger/ed25519.json`: hex, and what the rule says. */
export interface Ed25519Case {
  readonly kind: string;
  readonly publicKey: string;
  readonly message: string;
  readonly signature: string;
  readonly valid: boolean;
}

const SIGN_BIT = 2n ** 255n;

const sha512 = (...parts: Uint8Array[]): Uint8Array =>
  createHash('sha512').update(concatBytes(parts)).digest();

/** h of the equation S·B = R + h·A, not yet reduced: torsion looks at h mod 8 of what is multiplied. */
const challenge = (r: Uint8Array, a: Uint8Array, message: Uint8Array): bigint =>
  toNumber(sha512(r, a, message)) % L;

interface Secret {
  readonly scalar: bigint;
  readonly prefix: Uint8Array;
  readonly publicKey: Uint8Array;
}

function secretOf(name: string): Secret {
  return secretOfSeed(createHash('sha256').update(name).digest());
}

function secretOfSeed(seed: Uint8Array): Secret {
  const digest = sha512(seed);
  const clamped = digest.slice(0, 32);
  clamped[0] = (clamped[0] ?? 0) & 248;
  clamped[31] = ((clamped[31] ?? 0) & 63) | 64;
  const scalar = toNumber(clamped);
  return { scalar, prefix: digest.slice(32), publicKey: encode(multiply(scalar, BASE)) };
}

/** A signature whose bytes of R and A may be any: S = r + h·a. */
function signWith(
  { scalar, prefix }: Secret,
  message: Uint8Array,
  bytes: { r?: Uint8Array; nonce?: bigint; a: Uint8Array },
): Uint8Array {
  const nonce = bytes.nonce ?? toNumber(sha512(prefix, message)) % L;
  const r = bytes.r ?? encode(multiply(nonce, BASE));
  const s = (nonce + challenge(r, bytes.a, message) * scalar) % L;
  return concatBytes([r, toBytes(s)]);
}

/** The rule, by integers alone. */
export function ruleHolds(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64) return false;
  const [r, s] = [signature.slice(0, 32), toNumber(signature.slice(32))];
  const a = strictPoint(key);
  if (s >= L || a === null || strictPoint(r) === null) return false;
  const right = add(multiply(s, BASE), negate(multiply(challenge(r, key, message), a)));
  return toHex(encode(right)) === toHex(r);
}

/** A point in its one encoding, not of small order. */
function strictPoint(bytes: Uint8Array): Point | null {
  const point = decode(bytes);
  if (point === null || toHex(encode(point)) !== toHex(bytes)) return null;
  return isIdentity(multiply(8n, point)) ? null : point;
}

class Cases {
  readonly list: Ed25519Case[] = [];

  add(kind: string, publicKey: Uint8Array, [message, signature]: [Uint8Array, Uint8Array]): void {
    this.list.push({
      kind,
      publicKey: toHex(publicKey),
      message: toHex(message),
      signature: toHex(signature),
      valid: ruleHolds(publicKey, message, signature),
    });
  }
}

/** Texts until one fits: what an attacker does to choose h. */
function grind(name: string, fits: (message: Uint8Array) => boolean): Uint8Array {
  for (let i = 0; ; i += 1) {
    const message = utf8(`${name} ${i}`);
    if (fits(message)) return message;
  }
}

export function ed25519Cases(): readonly Ed25519Case[] {
  const cases = new Cases();
  honest(cases);
  malleated(cases);
  smallOrder(cases);
  nonCanonical(cases);
  mixedOrder(cases);
  damaged(cases);
  return cases.list;
}

function honest(cases: Cases): void {
  // RFC 8032 §7.1, TEST 1 to 3.
  for (const [seed, message] of [
    ['9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', ''],
    ['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', '72'],
    ['c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7', 'af82'],
  ] as const) {
    const secret = secretOfSeed(Buffer.from(seed, 'hex'));
    const bytes = Buffer.from(message, 'hex');
    const signature = signWith(secret, bytes, { a: secret.publicKey });
    cases.add('honest', secret.publicKey, [bytes, signature]);
  }
  for (const length of [1, 31, 32, 111, 112, 127, 128, 4096]) {
    const secret = secretOf(`honest ${length}`);
    const message = new Uint8Array(length).fill(length % 251);
    const signature = signWith(secret, message, { a: secret.publicKey });
    cases.add('honest', secret.publicKey, [message, signature]);
  }
}

function malleated(cases: Cases): void {
  const secret = secretOf('malleated');
  const message = utf8('S and S + L satisfy the same equation');
  const signature = signWith(secret, message, { a: secret.publicKey });
  const [r, s] = [signature.slice(0, 32), toNumber(signature.slice(32))];
  for (const other of [
    s + L,
    s + 2n * L,
    s + 7n * L,
    s + 14n * L,
    s + 2n ** 255n,
    s + 2n ** 253n,
  ]) {
    const changed = concatBytes([r, toBytes(other)]);
    cases.add('S not below L', secret.publicKey, [message, changed]);
  }
  for (const edge of [0n, 1n, L - 1n, L, L + 1n, 2n ** 256n - 1n]) {
    cases.add('S at an edge', secret.publicKey, [message, concatBytes([r, toBytes(edge)])]);
  }
}

function smallOrder(cases: Cases): void {
  const secret = secretOf('small order');
  TORSION.forEach((point, i) => {
    // A of small order: h·A is the identity where 8 divides h, and S = r signs for it.
    const a = encode(point);
    const nonce = toNumber(sha512(utf8(`nonce ${i}`))) % L;
    const r = encode(multiply(nonce, BASE));
    const message = grind('A of small order', (text) => challenge(r, a, text) % 8n === 0n);
    cases.add('A of small order', a, [message, concatBytes([r, toBytes(nonce)])]);
  });
  TORSION.forEach((point, i) => {
    // R of small order: with A = a·B + T and R = −h·T, S = h·a satisfies the equation as it stands.
    const r = encode(point);
    const a = encode(add(multiply(secret.scalar, BASE), TORSION[1] ?? IDENTITY));
    const wanted = BigInt((8 - i) % 8);
    const message = grind('R of small order', (text) => challenge(r, a, text) % 8n === wanted);
    const s = (challenge(r, a, message) * secret.scalar) % L;
    cases.add('R of small order', a, [message, concatBytes([r, toBytes(s)])]);
  });
}

function nonCanonical(cases: Cases): void {
  const secret = secretOf('not canonical');
  const { publicKey } = secret;
  const identities = [P + 1n, 1n + SIGN_BIT, P + 1n + SIGN_BIT];
  for (const encoding of identities.map((value) => toBytes(value))) {
    const nonce = toNumber(sha512(encoding)) % L;
    const message = utf8('the identity, in another encoding');
    const r = encode(multiply(nonce, BASE));
    cases.add('A not canonical', encoding, [message, concatBytes([r, toBytes(nonce)])]);
    const signature = signWith(secret, message, { nonce: 0n, r: encoding, a: publicKey });
    cases.add('R not canonical', publicKey, [message, signature]);
  }
  // Other y ≥ p: order 4 (y = 0), order 2 with the sign of x = 0 set, and points of full order.
  for (const value of [P, P + SIGN_BIT, P - 1n + SIGN_BIT, P + 3n, P + 4n, 2n ** 255n - 1n]) {
    const encoding = toBytes(value);
    const nonce = toNumber(sha512(encoding)) % L;
    const r = encode(multiply(nonce, BASE));
    const message = grind('y ≥ p', (text) => challenge(r, encoding, text) % 8n === 0n);
    cases.add('A not canonical', encoding, [message, concatBytes([r, toBytes(nonce)])]);
    const signature = signWith(secret, message, { r: encoding, a: publicKey });
    cases.add('R not canonical', publicKey, [message, signature]);
  }
}

function mixedOrder(cases: Cases): void {
  const secret = secretOf('mixed order');
  for (let i = 1; i < 8; i += 1) {
    const torsion = TORSION[i] ?? IDENTITY;
    const a = encode(add(multiply(secret.scalar, BASE), torsion));
    const nonce = toNumber(sha512(utf8(`mixed ${i}`))) % L;
    const r = encode(multiply(nonce, BASE));
    const divided = grind('8 divides h', (text) => challenge(r, a, text) % 8n === 0n);
    cases.add('A of mixed order, h mod 8 = 0', a, [
      divided,
      signWith(secret, divided, { nonce, a }),
    ]);
    const other = grind('h mod 8 = 1', (text) => challenge(r, a, text) % 8n === 1n);
    cases.add('A of mixed order, h mod 8 ≠ 0', a, [other, signWith(secret, other, { nonce, a })]);
    // R takes −h·T up: what no cofactor forgives holds as it stands.
    const mixed = encode(add(multiply(nonce, BASE), negate(torsion)));
    const one = grind('R mixed, h mod 8 = 1', (text) => challenge(mixed, a, text) % 8n === 1n);
    const signature = signWith(secret, one, { nonce, r: mixed, a });
    cases.add('A and R of mixed order, equation holds', a, [one, signature]);
  }
}

function damaged(cases: Cases): void {
  const secret = secretOf('damaged');
  const message = utf8('one bit, one byte');
  const { publicKey } = secret;
  const signature = signWith(secret, message, { a: publicKey });
  for (const bit of [0, 7, 128, 255, 256, 300, 503, 510]) {
    const flipped = signature.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    cases.add('a bit of the signature', publicKey, [message, flipped]);
  }
  cases.add('another message', publicKey, [utf8('one bit, one bite'), signature]);
  cases.add('another key', secretOf('other').publicKey, [message, signature]);
  const offCurve = grindBytes((bytes) => decode(bytes) === null);
  cases.add('A not on the curve', offCurve, [message, signature]);
  cases.add('R not on the curve', publicKey, [
    message,
    concatBytes([offCurve, signature.slice(32)]),
  ]);
  for (const length of [0, 31, 33]) {
    const key = concatBytes([publicKey, publicKey]).slice(0, length);
    cases.add('a key of another length', key, [message, signature]);
  }
  for (const length of [0, 32, 63, 65, 128]) {
    const cut = concatBytes([signature, signature]).slice(0, length);
    cases.add('a signature of another length', publicKey, [message, cut]);
  }
}

function grindBytes(fits: (bytes: Uint8Array) => boolean): Uint8Array {
  for (let y = 2n; ; y += 1n) if (fits(toBytes(y))) return toBytes(y);
}

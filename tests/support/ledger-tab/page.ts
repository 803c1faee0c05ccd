import { fromHex } from '#lib/kernel/bytes.ts';
import { browserVerify, portableVerify, webCryptoVerify } from '#lib/ledger/crypto/browser.ts';
import type { Ed25519Case } from '#tests/golden/ledger/ed25519-cases.ts';

/** Kinds of vectors that a backend of this browser judges otherwise than the rule. */
export interface WrongKinds {
  readonly webCrypto: readonly string[];
  readonly portable: readonly string[];
  /** Which of the two a page of ours would use here. */
  readonly chosen: string;
}

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0);

async function verifyAll(cases: readonly Ed25519Case[]): Promise<WrongKinds> {
  const webCrypto: string[] = [];
  const portable: string[] = [];
  for (const { kind, valid, ...hex } of cases) {
    const given = [bytes(hex.publicKey), bytes(hex.message), bytes(hex.signature)] as const;
    if ((await webCryptoVerify(...given)) !== valid) webCrypto.push(kind);
    if (portableVerify(...given) !== valid) portable.push(kind);
  }
  const chosen = (await browserVerify()) === webCryptoVerify ? 'webCrypto' : 'portable';
  return { webCrypto, portable, chosen };
}

declare global {
  var ledgerPage: { verifyAll: typeof verifyAll };
}
globalThis.ledgerPage = { verifyAll };

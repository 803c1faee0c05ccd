import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fromHex } from '#lib/kernel/bytes.ts';
import { portableSigner, portableVerify } from '#lib/ledger/crypto/ed25519/portable.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { nodeSigner, nodeVerifier, sodiumSigner, sodiumVerify } from '#lib/ledger/crypto/server.ts';
import { startLedgerPage } from '#tests/support/ledger-tab/ledger-tab.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { ed25519Cases, ruleHolds, type Ed25519Case } from './ed25519-cases.ts';

const stored = JSON.parse(
  readFileSync(goldenPath('ledger/ed25519.json'), 'utf8'),
) as readonly Ed25519Case[];

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array(0);
const wrongOf = (verify: Verify): string[] =>
  stored
    .filter(
      ({ publicKey, message, signature, valid }) =>
        verify(bytes(publicKey), bytes(message), bytes(signature)) !== valid,
    )
    .map(({ kind }) => kind);

test('[C1] the vectors are what the integers say, every kind is there', () => {
  expect(stored).toEqual(ed25519Cases());
  expect(stored.length).toBeGreaterThanOrEqual(60);
  expect(wrongOf(ruleHolds)).toEqual([]);
  const valid = stored.filter((each) => each.valid).map(({ kind }) => kind);
  expect(new Set(valid)).toEqual(
    new Set(['honest', 'A of mixed order, h mod 8 = 0', 'A and R of mixed order, equation holds']),
  );
});

test('[C1] node:crypto follows the rule', () => {
  expect(wrongOf(nodeVerifier())).toEqual([]);
});

test('[C1] tweetnacl follows the rule', () => {
  expect(wrongOf(portableVerify)).toEqual([]);
});

const sodium = sodiumVerify();
test.runIf(sodium !== null)('[C1] sodium-native makes the same signatures', () => {
  const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
  const [own, other] = [sodiumSigner(seed), nodeSigner(seed)];
  expect(own?.publicKey).toEqual(other.publicKey);
  for (const length of [0, 1, 200, 5_000]) {
    const message = new Uint8Array(length).fill(length);
    expect(own?.sign(message)).toEqual(other.sign(message));
  }
});

test.runIf(sodium !== null)('[C1] sodium-native follows the rule', () => {
  expect(wrongOf(sodium ?? (() => false))).toEqual([]);
});

test('[C1] WebCrypto and tweetnacl in Chromium follow the rule', async () => {
  await using page = await startLedgerPage();
  const wrong = await page.verifyAll(stored);
  expect(wrong).toEqual({ webCrypto: [], portable: [], chosen: 'webCrypto' });
});

test('[C2] both signers make the same key and the same signature', () => {
  const seed = new Uint8Array(32).fill(7);
  const message = new Uint8Array(100).fill(3);
  const [node, portable] = [nodeSigner(seed), portableSigner(seed)];
  expect(node.publicKey).toEqual(portable.publicKey);
  expect(node.sign(message)).toEqual(portable.sign(message));
  expect(nodeVerifier()(node.publicKey, message, node.sign(message))).toBe(true);
});

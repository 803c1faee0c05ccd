import { portableVerify } from './ed25519/portable.ts';
import { withRuleAsync, type VerifyAsync } from './ed25519/rule.ts';

export { portableSigner, portableVerify } from './ed25519/portable.ts';
export { portableSha256 } from './sha256.ts';

/** WebCrypto's Ed25519: a thread of the browser's own, needs a secure context. */
export const webCryptoVerify: VerifyAsync = withRuleAsync(async (publicKey, message, signature) => {
  const bytes = (part: Uint8Array) => Uint8Array.from(part);
  try {
    const key = await crypto.subtle.importKey('raw', bytes(publicKey), 'Ed25519', false, [
      'verify',
    ]);
    return await crypto.subtle.verify('Ed25519', key, bytes(signature), bytes(message));
  } catch {
    // Browsers throw for a key that is no point of the curve; the rule calls that a bad signature.
    return false;
  }
});

/** WebCrypto where this browser's knows Ed25519, else JavaScript. */
export async function browserVerify(): Promise<VerifyAsync> {
  try {
    await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
    return webCryptoVerify;
  } catch {
    // Older browsers, and pages without a secure context.
    return (...args) => Promise.resolve(portableVerify(...args));
  }
}

import { createPrivateKey, createPublicKey, type X509Certificate } from 'node:crypto';

/** RFC 8410: what precedes the 32 raw bytes of an Ed25519 key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const KEY_BYTES = 32;

export interface Identity {
  /** 32 bytes: what the member list says of this replica. */
  readonly publicKey: Uint8Array;
  /** PEM. */
  readonly key: string;
  readonly cert: string;
}

/**
 * A certificate that only carries the transport key: nobody looks at anything else in it.
 * @param seed 32 bytes.
 */
export async function selfSigned(seed: Uint8Array): Promise<Identity> {
  // The library's container asks for the polyfill first.
  await import('reflect-metadata');
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const der = Buffer.concat([PKCS8, seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const algorithm = { name: 'Ed25519' };
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=DeCLAI ledger replica',
    notBefore: new Date(0),
    notAfter: new Date(Date.UTC(9999, 0, 1)),
    signingAlgorithm: algorithm,
    keys: {
      privateKey: await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
      publicKey: await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
    },
  });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI.length)),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    cert: certificate.toString('pem'),
  };
}

/** The raw key that the other end has proven to hold; null: none, or of another kind. */
export function ed25519KeyOf(certificate: X509Certificate | undefined): Uint8Array | null {
  if (certificate?.publicKey.asymmetricKeyType !== 'ed25519') return null;
  const spki = certificate.publicKey.export({ format: 'der', type: 'spki' });
  if (spki.length !== SPKI.length + KEY_BYTES) return null;
  return new Uint8Array(spki.subarray(SPKI.length));
}

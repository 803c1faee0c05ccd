import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import type { TlsOption } from './options.ts';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** SHA-256 of the certificate, as browsers show it. */
  readonly fingerprint: string;
}

/** Certificate and key in PEM; `null` for plain http. `self` makes one once and keeps it (M8). */
export async function loadTls(option: TlsOption, dataDir: string): Promise<TlsFiles | null> {
  if (option.kind === 'off') return null;
  const folder = join(dataDir, 'tls');
  const paths =
    option.kind === 'files'
      ? option
      : { cert: join(folder, 'self-signed.crt'), key: join(folder, 'self-signed.key') };
  if (option.kind === 'self' && !(await isUsable(paths.cert))) await makeSelfSigned(folder, paths);
  try {
    const [cert, key] = await Promise.all([
      readFile(paths.cert, 'utf8'),
      readFile(paths.key, 'utf8'),
    ]);
    return { cert, key, fingerprint: new X509Certificate(cert).fingerprint256 };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FaultError('server/config', `cannot read the certificate or its key: ${why}`, {
      cause,
    });
  }
}

async function isUsable(path: string): Promise<boolean> {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return false;
  const certificate = new X509Certificate(text);
  const names = certificate.subjectAltName ?? '';
  const inAWeek = Date.now() + 7 * 86_400_000;
  return (
    Date.parse(certificate.validTo) > inAWeek && ownAddresses().every((ip) => names.includes(ip))
  );
}

/** IPv4 addresses of this machine by which others may come. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => address.family === 'IPv4')
    .map((address) => address.address);
}

async function makeSelfSigned(folder: string, paths: { cert: string; key: string }): Promise<void> {
  // Loaded only where it is used; the library's container asks for the polyfill first.
  await import('reflect-metadata');
  const {
    KeyUsageFlags,
    KeyUsagesExtension,
    SubjectAlternativeNameExtension,
    X509CertificateGenerator,
  } = await import('@peculiar/x509');
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=DeCLAI on this machine',
    notBefore: new Date(Date.now() - 86_400_000),
    // Browsers refuse leaf certificates of more than 825 days.
    notAfter: new Date(Date.now() + 800 * 86_400_000),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        ...ownAddresses().map((value) => ({ type: 'ip' as const, value })),
      ]),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString(
    'base64',
  );
  const keyPem = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
  await mkdir(folder, { recursive: true });
  await writeFile(paths.key, keyPem, { mode: 0o600 });
  await writeFile(paths.cert, `${certificate.toString('pem')}\n`);
}

import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { must } from '#lib/kernel/assert.ts';
import { nodeSigner, nodeVerifier } from '#lib/ledger/crypto/server.ts';
import { selfSigned } from '#server/replica/transport/certificate.ts';
import { CLIENT_PROTOCOL, dialTls, listenTls } from '#server/replica/transport/tls.ts';
import { median } from '../result.ts';

/** What the machine gives beside a run: no bar of the ledger can be better than what these allow. */

const KEYS = 64;
const MESSAGE_BYTES = 200;

/** One slice: verifications a second by `node:crypto`, keys kept, on one core. */
export function verifySlice(ms = 500): number {
  const verify = nodeVerifier();
  const message = randomBytes(MESSAGE_BYTES);
  const signed = Array.from({ length: KEYS }, (_, i) => {
    const signer = nodeSigner(new Uint8Array(32).fill(i + 1));
    return { publicKey: signer.publicKey, signature: signer.sign(message) };
  });
  const verified = (): number => {
    const startedAt = performance.now();
    let count = 0;
    for (; performance.now() - startedAt < ms; count += 1) {
      const { publicKey, signature } = must(signed[count % KEYS], 'a signature');
      if (!verify(publicKey, message, signature)) throw new Error('a valid signature was refused');
    }
    return (1_000 * count) / (performance.now() - startedAt);
  };
  verified();
  return verified();
}

/** Milliseconds of a write of 4 KiB over a preallocated file and fdatasync, p50 of 200. */
export async function syncMs(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'declai-sync-'));
  const file = await open(join(folder, 'log'), 'w');
  try {
    await file.write(new Uint8Array(1 << 20));
    await file.sync();
    const times: number[] = [];
    const block = randomBytes(4096);
    for (let i = 0; i < 200; i += 1) {
      const startedAt = performance.now();
      await file.write(block, 0, block.length, 4096 * i);
      await file.datasync();
      times.push(performance.now() - startedAt);
    }
    return median(times);
  } finally {
    await file.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Both ends of one TLS connection over loopback, as the ledger makes them. */
export async function tlsPair(): Promise<{
  readonly near: TLSSocket;
  readonly far: TLSSocket;
  readonly close: () => void;
}> {
  const identity = await selfSigned(new Uint8Array(32).fill(7));
  let accept: (socket: TLSSocket) => void = () => undefined;
  const accepted = new Promise<TLSSocket>((resolve) => (accept = resolve));
  const { server, port } = await listenTls(
    { host: '127.0.0.1', port: 0 },
    {
      ...{ identity, protocol: CLIENT_PROTOCOL, asksPeer: false, socketsMax: 2 },
      ...{ handshakes: { perSecond: 1, burst: 2 }, onSocket: accept },
    },
  );
  const near = await new Promise<TLSSocket>((resolve, reject) => {
    dialTls(
      { host: '127.0.0.1', port },
      {
        ...{ protocol: CLIENT_PROTOCOL, identity: null, onSecure: resolve },
        onFailed: () => reject(new Error('no connection to ourselves')),
      },
    );
  });
  const far = await accepted;
  const close = (): void => {
    near.destroy();
    far.destroy();
    server.close();
  };
  return { near, far, close };
}

/** Milliseconds there and back of 200 bytes, p50 of 500: both ends in this process. */
export async function roundTripMs(): Promise<number> {
  const { near, far, close } = await tlsPair();
  for (const socket of [near, far]) socket.setNoDelay(true);
  far.on('data', (chunk: Buffer) => far.write(chunk));
  const times: number[] = [];
  const message = randomBytes(MESSAGE_BYTES);
  for (let i = 0; i < 500; i += 1) {
    const startedAt = performance.now();
    near.write(message);
    for (let left = message.length; left > 0;) {
      left -= await new Promise<number>((resolve) => {
        near.once('data', (chunk: Buffer) => resolve(chunk.length));
      });
    }
    times.push(performance.now() - startedAt);
  }
  close();
  return median(times);
}

import { randomBytes } from 'node:crypto';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { readGenesis, type Genesis } from '#lib/ledger/account/genesis.ts';
import { createLedgerClient, type LedgerClient } from '#lib/ledger/client/client.ts';
import type { Endpoint } from '#lib/ledger/client/connection.ts';
import { GENESIS_BYTES_MAX } from '#lib/ledger/account/limits.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import { nodeSha256, nodeSigner, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { readBounded } from './files.ts';
import { FrameSocket } from '../replica/transport/frame-socket.ts';
import { CLIENT_PROTOCOL, dialTls, hostPort, type HostPort } from '../replica/transport/tls.ts';
import { Turns } from '../replica/transport/turns.ts';

/** What may wait for a replica to read. */
const QUEUE_BYTES_MAX = 4 * CLIENT_LIMITS.requestBytesMax;

/** Answers are worked off for so long, then something else has its turn. */
const SLICE_MS = 10;
const turns = new Turns(SLICE_MS);

/** A replica's client port over TLS. What it says proves itself, so any certificate will do. */
export const tlsEndpoint = (at: HostPort): Endpoint => ({
  name: `${at.host}:${at.port}`,
  dial({ onOpen, onFrame, onClose }) {
    let frames: FrameSocket | null = null;
    const socket = dialTls(at, {
      ...{ protocol: CLIENT_PROTOCOL, identity: null, onFailed: onClose },
      onSecure(secure) {
        frames = new FrameSocket(secure, {
          ...{ frameBytesMax: CLIENT_LIMITS.answerBytesMax, queueBytesMax: QUEUE_BYTES_MAX },
          ...{ turns, onClose },
          onFrame: (bytes) => {
            onFrame(bytes);
            return 0;
          },
        });
        onOpen();
      },
    });
    return {
      send: (frame) => frames?.send(frame) ?? false,
      close: () => socket.destroy(),
    };
  },
});

export interface Network {
  readonly bytes: Uint8Array;
  readonly genesis: Genesis;
  readonly chain: Uint8Array;
}

/** @throws FaultError server/config */
export async function loadNetwork(file: string): Promise<Network> {
  const content = await readBounded(file, GENESIS_BYTES_MAX).catch((cause: unknown) => {
    if (isFault(cause, 'wire/too-large')) throw cause;
    throw new FaultError(
      'server/config',
      `${cause instanceof Error ? cause.message : String(cause)} (npm start makes .data/ledger/genesis.cbor, --genesis FILE names another)`,
      { cause },
    );
  });
  const genesis = readGenesis(content);
  if (isFault(genesis)) {
    throw new FaultError('server/config', `${file} is no genesis: ${genesis.message}`);
  }
  return { bytes: content, genesis, chain: nodeSha256(content) };
}

/** Client ports as `genesis` lays them out: one above the replicas'. */
const portsOf = ({ replicas }: Genesis): HostPort[] =>
  replicas.flatMap(({ address }) => {
    const at = hostPort(new TextDecoder().decode(address));
    return at === null ? [] : [{ host: at.host, port: at.port + 1 }];
  });

/** @throws FaultError request/invalid */
export function addressesOf(list: string): HostPort[] {
  return list.split(',').map((text) => {
    const at = hostPort(text.trim());
    if (at === null) throw new FaultError('request/invalid', `"${text}" is not HOST:PORT`);
    return at;
  });
}

/** A client of this network. Who only reads needs no key of their own. */
export function connectLedger(
  network: Network,
  of: {
    readonly replicas: string | undefined;
    readonly signer: Signer | null;
    readonly timeoutMs: number;
  },
): LedgerClient {
  const addresses = of.replicas === undefined ? portsOf(network.genesis) : addressesOf(of.replicas);
  const { signer, timeoutMs } = of;
  return createLedgerClient({
    genesis: network.bytes,
    endpoints: addresses.map(tlsEndpoint),
    signer: signer ?? nodeSigner(new Uint8Array(randomBytes(32))),
    verify: serverVerifier(),
    sha256: nodeSha256,
    nowMs: () => Date.now(),
    random: (length) => new Uint8Array(randomBytes(length)),
    timeoutMs,
  });
}

import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { ledgerApplication } from '#lib/ledger/application/application.ts';
import { nodeSha256, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { decodeMessage, encodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import { partBytes } from '#lib/ledger/pbft/state-parts.ts';
import { LocalCluster } from '#tests/support/ledger/local-cluster.ts';
import { World } from '#tests/support/ledger/world.ts';
import { FrameReader, frameOf } from '#server/replica/transport/frames.ts';
import { atLeast, atMost, median, type Bar } from '../result.ts';
import { withAccounts } from './accounts.ts';
import { tlsPair } from './floors.ts';

const ACCOUNTS = 100_000;
const ROUNDS = 3;

/** A state from one replica to another over TLS, all its parts in a row: bytes on the wire to a state, beside copy and hash. */
export async function transfer(): Promise<readonly Bar[]> {
  const world = new World();
  const application = ledgerApplication({
    ...{ chain: world.chain, verify: serverVerifier(), sha256: nodeSha256 },
  });
  const state = withAccounts(world, ACCOUNTS);
  // Any message that is one: whose certificate it brings does not matter to how long it takes.
  const { head, stable } = new LocalCluster().replica(0).state;
  const message = (): Uint8Array =>
    encodeMessage({
      ...{ type: 'state', epochEnds: [], header: head.header, certificate: stable, peaks: [] },
      ...offered(partBytes(application.parts(state))),
    });
  const { near, far, close } = await tlsPair();
  const reader = new FrameReader(LIMITS.frameBytesMax);
  const carried = (bytes: Uint8Array): Promise<Uint8Array> =>
    new Promise((resolve) => {
      const take = (chunk: Buffer): void => {
        const [frame] = reader.push(chunk);
        if (frame === undefined) return;
        far.off('data', take);
        resolve(frame);
      };
      far.on('data', take);
      near.write(frameOf(bytes));
    });
  const transfers: number[] = [];
  const floors: number[] = [];
  const lasts: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const bytes = message();
    const floorAt = performance.now();
    nodeSha256(await carried(bytes));
    floors.push(performance.now() - floorAt);
    const startedAt = performance.now();
    const heard = decodeMessage(await carried(message()));
    if (isFault(heard) || heard.type !== 'state') throw new Error('not the state that was sent');
    for (const part of heard.parts) nodeSha256(part);
    const read = heard.parts.map((part) => must(application.readPart(part), 'a part'));
    const lastAt = performance.now();
    must(application.restore(read, state.trie.rootHash), 'the state that was sent');
    lasts.push(performance.now() - lastAt);
    transfers.push(performance.now() - startedAt);
  }
  close();
  const share = median(floors) / median(transfers);
  return [
    atLeast(`state transfer of ${ACCOUNTS} accounts`, share, {
      ...{ min: 0.5, unit: 'of raw loopback copy and hash' },
    }),
    atMost('its last step, once all parts are read', median(lasts), { max: 20, unit: 'ms' }),
  ];
}

const offered = (parts: readonly Uint8Array[]) => ({ parts, partHashes: parts.map(nodeSha256) });

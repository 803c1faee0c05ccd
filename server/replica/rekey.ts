import { randomBytes } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { possessionBytes } from '#lib/ledger/account/codec/transaction.ts';
import { chainOf } from '#lib/ledger/account/genesis.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';
import { createReplicaFolder, syncFolder } from '#lib/ledger/store/server.ts';
import { findKeys, loadConfig, type ReplicaKeys } from './config.ts';

/** Keys that wait until the ledger says that they are this replica's. */
export const nextKeysFile = (keysFile: string): string => `${keysFile}.next`;

/** What a ROTATE transaction says of the new key, in hex; q operators approve it. */
export interface Rotation {
  readonly epoch: number;
  readonly operatorKey: string;
  readonly voteKey: string;
  readonly transportKey: string;
  /** The new key's signature: somebody has its secret. */
  readonly possession: string;
}

/**
 * A new vote key with its empty log, beside the old one, which votes on until the rotation takes effect.
 * Called again (the epoch ended meanwhile), it signs with the same new key.
 * @param epoch the one in which the rotation is to be executed.
 * @throws FaultError as `loadConfig`.
 */
export async function prepareRotation(configFile: string, epoch: number): Promise<Rotation> {
  const { genesis, keys, keysFile, dataDir } = await loadConfig(configFile);
  const chain = chainOf(genesis, nodeSha256);
  const next = (await findKeys(nextKeysFile(keysFile))) ?? (await makeNext(keysFile, keys));
  const { operatorKey } = keys;
  const signer = nodeSigner(next.voteSeed);
  await createReplicaFolder({ folder: dataDir, chain, voteKey: signer.publicKey }).catch(
    (error: unknown) => {
      // Made by a call before this one; a log is never made anew.
      if (!(error instanceof FaultError && error.code === 'ledger/damaged')) throw error;
    },
  );
  const voteKey = signer.publicKey;
  const message = possessionBytes(chain, { epoch: BigInt(epoch), operatorKey, voteKey });
  return {
    epoch,
    operatorKey: toHex(operatorKey),
    voteKey: toHex(voteKey),
    transportKey: toHex(nodeSigner(keys.transportSeed).publicKey),
    possession: toHex(signer.sign(message)),
  };
}

async function makeNext(keysFile: string, keys: ReplicaKeys): Promise<ReplicaKeys> {
  const next = { ...keys, voteSeed: new Uint8Array(randomBytes(32)) };
  const text = {
    operatorKey: toHex(next.operatorKey),
    voteSeed: toHex(next.voteSeed),
    transportSeed: toHex(next.transportSeed),
  };
  const json = `${JSON.stringify(text, null, 2)}\n`;
  await writeFile(nextKeysFile(keysFile), json, { flag: 'wx', mode: 0o600, flush: true });
  await syncFolder(dirname(keysFile));
  return next;
}

/** The rotation took effect: the new keys are the keys, and the old vote key is gone for ever. */
export async function adoptNextKeys(keysFile: string): Promise<void> {
  await rename(nextKeysFile(keysFile), keysFile);
  await syncFolder(dirname(keysFile));
}

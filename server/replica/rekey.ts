import { randomBytes } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toHex } from '#lib/kernel/bytes.ts';
import { possessionBytes } from '#lib/ledger/account/codec/transaction.ts';
import { chainOf } from '#lib/ledger/account/genesis.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { createReplicaFolder, hasReplicaLog, syncFolder } from '#lib/ledger/store/server.ts';
import { findKeys, loadConfig, type ReplicaKeys } from './config.ts';

/** Keys that wait until the ledger says that they are this replica's. */
export const nextKeysFile = (keysFile: string): string => `${keysFile}.next`;

/** What a ROTATE transaction says of the new key, in hex; q operators approve it. */
export interface Rotation {
  readonly type: 'rotate-replica';
  readonly epoch: number;
  readonly operatorKey: string;
  readonly voteKey: string;
  readonly transportKey: string;
  /** The new key's signature: somebody has its secret. */
  readonly possession: string;
}

/**
 * A new vote key with its empty log, beside the old one, which votes on until the rotation takes effect.
 * Called again (the epoch ended meanwhile), it signs with the same new key, as long as that has its log.
 * @param epoch the one in which the rotation is to be executed.
 * @throws FaultError as `loadConfig`.
 */
export async function prepareRotation(configFile: string, epoch: number): Promise<Rotation> {
  const { genesis, keys, keysFile, dataDir } = await loadConfig(configFile);
  const nextKeys = await findKeys(nextKeysFile(keysFile));
  const chain = chainOf(genesis, nodeSha256);
  const isWhole =
    nextKeys !== null && (await hasReplicaLog({ folder: dataDir, voteKey: voteKeyOf(nextKeys) }));
  const next = isWhole ? nextKeys : await makeNext({ keysFile, keys, dataDir, chain });
  return rotationOf(next, { chain, epoch });
}

/** What says that somebody has these keys, for an operator whose replica they are to be. */
export function rotationOf(
  { operatorKey, voteSeed, transportSeed }: ReplicaKeys,
  { chain, epoch }: { readonly chain: Uint8Array; readonly epoch: number },
): Rotation {
  const signer = nodeSigner(voteSeed);
  const voteKey = signer.publicKey;
  const message = possessionBytes(chain, { epoch: BigInt(epoch), operatorKey, voteKey });
  return {
    type: 'rotate-replica',
    epoch,
    operatorKey: toHex(operatorKey),
    voteKey: toHex(voteKey),
    transportKey: toHex(nodeSigner(transportSeed).publicKey),
    possession: toHex(signer.sign(message)),
  };
}

const voteKeyOf = ({ voteSeed }: ReplicaKeys): Uint8Array => nodeSigner(voteSeed).publicKey;

/** The log first: whatever ends this in the middle, keys that wait have theirs, and are whole. */
async function makeNext(of: {
  readonly keysFile: string;
  readonly keys: ReplicaKeys;
  readonly dataDir: string;
  readonly chain: Uint8Array;
}): Promise<ReplicaKeys> {
  const { keysFile, keys, dataDir, chain } = of;
  const next = { ...keys, voteSeed: new Uint8Array(randomBytes(32)) };
  await createReplicaFolder({ folder: dataDir, chain, voteKey: voteKeyOf(next) });
  const text = {
    operatorKey: toHex(next.operatorKey),
    voteSeed: toHex(next.voteSeed),
    transportSeed: toHex(next.transportSeed),
  };
  const unfinished = `${nextKeysFile(keysFile)}.new`;
  await rm(unfinished, { force: true });
  const json = `${JSON.stringify(text, null, 2)}\n`;
  await writeFile(unfinished, json, { flag: 'wx', mode: 0o600, flush: true });
  await rename(unfinished, nextKeysFile(keysFile));
  await syncFolder(dirname(keysFile));
  return next;
}

/** Is this the vote key of the keys that wait? @throws FaultError as `findKeys` */
export async function isNextKey(keysFile: string, voteKey: Uint8Array): Promise<boolean> {
  const next = await findKeys(nextKeysFile(keysFile));
  return next !== null && bytesEqual(voteKeyOf(next), voteKey);
}

/** The rotation took effect: the new keys are the keys, and the old vote key is gone for ever. */
export async function adoptNextKeys(keysFile: string): Promise<void> {
  await rename(nextKeysFile(keysFile), keysFile);
  await syncFolder(dirname(keysFile));
}

import { must } from '#lib/kernel/assert.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { membershipBytes } from '#lib/ledger/account/epochs.ts';
import { genesisState, readGenesis, type Genesis } from '#lib/ledger/account/genesis.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { genesisHeader, headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { EpochEnd } from '#lib/ledger/pbft/messages/state-transfer.ts';
import type { SealSet } from '../wire/answers.ts';
import { electorsOf, type Electors } from './electors.ts';

/** A header with the SEALs that certify it; none at the genesis, which is known by the file. */
export interface CertifiedHeader {
  readonly header: Header;
  readonly headerHash: Uint8Array;
  readonly seals: SealSet['seals'];
}

/** One epoch as this client knows it. */
export interface EpochKeys {
  readonly electors: Electors;
  /** The last block before it. */
  readonly base: number;
  /** Its certified end, and its hash; null while it lasts, as far as is known. */
  readonly end: { readonly epochEnd: EpochEnd; readonly headerHash: Uint8Array } | null;
}

/** All that a light client knows of a chain. Never changed: a step makes another. */
export interface LightChain {
  readonly chain: Uint8Array;
  /** Of the block before the first: nobody seals it, everybody has it. */
  readonly genesisHash: Uint8Array;
  /** From epoch 0 on, one after the other; only the last has no end. */
  readonly epochs: readonly EpochKeys[];
  /** The highest certified header, and the client's place: it never goes behind it (L3). */
  readonly newest: CertifiedHeader;
}

export interface LightGenesis {
  readonly genesis: Genesis;
  readonly light: LightChain;
}

/** A chain at its first block, by the genesis file; or what is wrong with its bytes. Never throws. */
export function lightGenesis(file: Uint8Array, sha256: Sha256): LightGenesis | FaultError {
  const genesis = readGenesis(file);
  if (isFault(genesis)) return genesis;
  const chain = sha256(file);
  const membership = membershipBytes({ epoch: 0n, replicas: genesis.replicas });
  const electors = must(electorsOf(membership, chain, sha256), 'a genesis has four replicas');
  const stateRoot = genesisState(genesis, sha256).trie.rootHash;
  const timeMs = Number(genesis.timeMs);
  const header = genesisHeader({ chain, epoch: 0, timeMs, stateRoot, membership }, sha256);
  const genesisHash = headerHash(header, sha256);
  const newest = { header, headerHash: genesisHash, seals: [] };
  const epochs = [{ electors, base: 0, end: null }];
  return { genesis, light: { chain, genesisHash, epochs, newest } };
}

export const lastEpoch = ({ epochs }: LightChain): EpochKeys =>
  must(epochs.at(-1), 'a chain has an epoch');

export const rejected = (what: string): FaultError => new FaultError('ledger/unproven', what);
export const stale = (what: string): FaultError => new FaultError('ledger/stale', what);

import { FaultError } from '#lib/kernel/errors.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { Sealed, SealSet } from '../wire/answers.ts';
import { rejected, type CertifiedHeader, type EpochKeys, type LightChain } from './chain.ts';
import { sealChecks, weightOf, type SignatureCheck, type Weight } from './electors.ts';

/** A header with what its SEALs are worth, if `checks` hold. */
export interface Weighed extends CertifiedHeader {
  readonly weight: Weight;
  readonly checks: readonly SignatureCheck[];
}

/** A header by the electors of its epoch, or why it can be none of this chain. Never throws. */
export function weigh(
  light: LightChain,
  { header, seals }: Sealed,
  sha256: Sha256,
): Weighed | FaultError {
  const hash = headerHash(header, sha256);
  if (bytesEqual(hash, light.genesisHash)) {
    return { header, headerHash: hash, seals: [], weight: 'header', checks: [] };
  }
  const place = placeOf(light, header);
  if (place instanceof FaultError) return place;
  const { epoch, sequence } = header;
  const none: SealSet = { epoch, sequence, headerHash: hash, seals: [] };
  const set = seals.find((each) => isOf(each, none)) ?? none;
  const checks = sealChecks(place.electors, set);
  if (checks === null) return rejected('a SEAL of nobody in this epoch, or of one replica twice');
  const weight = weightOf(place.electors, set);
  return { header, headerHash: hash, seals: set.seals, weight, checks };
}

const isOf = (a: SealSet, b: SealSet): boolean =>
  a.epoch === b.epoch && a.sequence === b.sequence && bytesEqual(a.headerHash, b.headerHash);

function placeOf(light: LightChain, header: Header): EpochKeys | FaultError {
  if (!bytesEqual(header.chain, light.chain)) return rejected('a header of another chain');
  const keys = light.epochs[header.epoch];
  if (keys === undefined) return rejected('an epoch whose members are not known');
  return header.sequence > keys.base ? keys : rejected('a sequence of an epoch before');
}

import { isFault, toFault, type FaultError } from '#lib/kernel/errors.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer, malformed } from '#lib/ledger/pbft/codec/bytes.ts';
import { headerBytes, headerHash, readHeader } from '#lib/ledger/pbft/messages/header.ts';
import { readEpochEnd, writeEpochEnd } from '#lib/ledger/pbft/messages/state-transfer.ts';
import { readSigned, writeSigned } from '#lib/ledger/pbft/messages/vote.ts';
import { REPLICAS_MAX } from '#lib/ledger/pbft/quorum.ts';
import { CLIENT_LIMITS } from '../limits.ts';
import { adoptEnd, type Judgement } from './adopt.ts';
import { rejected, type LightChain } from './chain.ts';
import type { SignatureCheck } from './electors.ts';
import { weigh } from './weigh.ts';

const VERSION = 1;

/** A light client's place as its store keeps it: epoch ends, then the newest header with its SEALs. */
export function lightImage({ epochs, newest }: LightChain): Uint8Array {
  const ends = epochs.flatMap(({ end }) => (end === null ? [] : [end.epochEnd]));
  return new Writer()
    .u8(VERSION)
    .list(ends, writeEpochEnd)
    .raw(headerBytes(newest.header))
    .list(newest.seals, writeSigned)
    .done();
}

/**
 * The place that was kept, by the genesis: all of it is proven anew, for a store may be damaged or of
 * another chain. Never throws.
 */
export function fromImage(
  genesis: LightChain,
  image: Uint8Array,
  sha256: Sha256,
): Judgement | FaultError {
  try {
    const from = new Reader(image);
    if (from.u8() !== VERSION) throw malformed('an image of another version');
    const ends = from.list(CLIENT_LIMITS.epochsMax, readEpochEnd);
    const header = readHeader(from);
    const seals = from.list(REPLICAS_MAX, readSigned);
    from.end();
    const checks: SignatureCheck[] = [];
    let light = genesis;
    for (const end of ends) {
      const judged = adoptEnd(light, end, sha256);
      if (isFault(judged)) return judged;
      checks.push(...judged.checks);
      light = judged.light;
    }
    const { epoch, sequence } = header;
    const set = { epoch, sequence, headerHash: headerHash(header, sha256), seals };
    const weighed = weigh(light, { header, seals: [set] }, sha256);
    if (isFault(weighed)) return weighed;
    if (weighed.weight !== 'header') return rejected('fewer SEALs than a quorum');
    checks.push(...weighed.checks);
    const newest = { header, headerHash: set.headerHash, seals };
    return { checks, light: { ...light, newest }, conflict: null };
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

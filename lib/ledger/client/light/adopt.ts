import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { EpochEnd } from '#lib/ledger/pbft/messages/state-transfer.ts';
import type { Sealed } from '../wire/answers.ts';
import { lastEpoch, rejected, stale, type CertifiedHeader, type LightChain } from './chain.ts';
import type { Conflict } from './conflict.ts';
import { electorsOf, type SignatureCheck } from './electors.ts';
import { extendsBlock, type Extension } from './extension.ts';
import { weigh, type Weighed } from './weigh.ts';

/** What follows once all `checks` hold: another place in the chain, or proof that there are two. */
export interface Judgement {
  readonly checks: readonly SignatureCheck[];
  readonly light: LightChain;
  readonly conflict: Conflict | null;
}

/** The header with q SEALs, or why it is not certified. */
function certified(light: LightChain, sealed: Sealed, sha256: Sha256): Weighed | FaultError {
  const weighed = weigh(light, sealed, sha256);
  if (isFault(weighed) || weighed.weight === 'header') return weighed;
  return rejected('fewer SEALs than a quorum');
}

const conflicting = (
  light: LightChain,
  [first, second]: readonly [CertifiedHeader, Weighed],
  link: Conflict['link'] = null,
): Judgement => ({ checks: second.checks, light, conflict: { first, second, link } });

/** An epoch's end and who votes after it: ends come in order (L2). Never throws. */
export function adoptEnd(light: LightChain, end: EpochEnd, sha256: Sha256): Judgement | FaultError {
  const { header, certificate, membership } = end;
  const weighed = certified(light, { header, seals: [certificate] }, sha256);
  if (isFault(weighed)) return weighed;
  const { epoch, sequence } = header;
  const known = light.epochs[epoch]?.end ?? null;
  if (known !== null) {
    if (bytesEqual(known.headerHash, weighed.headerHash)) return unchanged(light);
    return conflicting(light, [endHeader(known), weighed]);
  }
  const next = electorsOf(membership, light.chain, sha256);
  if (next?.epoch !== epoch + 1) return rejected('no member list of the next epoch');
  if (!bytesEqual(next.membersHash, header.nextMembersHash)) {
    return rejected('another member list than the epoch’s last header names');
  }
  const { newest, epochs } = light;
  if (newest.header.epoch === epoch && newest.header.sequence > sequence) {
    return conflicting(light, [newest, weighed]);
  }
  const ended = { ...lastEpoch(light), end: { epochEnd: end, headerHash: weighed.headerHash } };
  const begun = { electors: next, base: sequence, end: null };
  const after = { ...light, epochs: [...epochs.slice(0, -1), ended, begun] };
  return { checks: weighed.checks, light: after, conflict: null };
}

const unchanged = (light: LightChain): Judgement => ({ checks: [], light, conflict: null });

const endHeader = (end: {
  readonly epochEnd: EpochEnd;
  readonly headerHash: Uint8Array;
}): CertifiedHeader => ({
  header: end.epochEnd.header,
  headerHash: end.headerHash,
  seals: end.epochEnd.certificate.seals,
});

/**
 * A header with q SEALs as the newest: never a lower one, and only one that has the newest so far in its
 * history (L3). Never throws.
 * @param extension that shows it; null where the header is not higher, or the newest is the genesis, which
 * the chain's id in every SEAL names.
 */
export function adoptHeader(
  light: LightChain,
  { sealed, extension }: { readonly sealed: Sealed; readonly extension: Extension | null },
  sha256: Sha256,
): Judgement | FaultError {
  const { newest } = light;
  const { header } = sealed;
  if (!bytesEqual(header.chain, light.chain)) return rejected('a header of another chain');
  if (header.sequence < newest.header.sequence) {
    return stale(`sequence ${header.sequence} is behind ${newest.header.sequence}`);
  }
  if (bytesEqual(headerHash(header, sha256), newest.headerHash)) return unchanged(light);
  const weighed = certified(light, sealed, sha256);
  if (isFault(weighed)) return weighed;
  const end = endedBefore(light, header);
  if (end !== null) return conflicting(light, [end, weighed]);
  if (header.sequence === newest.header.sequence) return conflicting(light, [newest, weighed]);
  const before = { sequence: newest.header.sequence, headerHash: newest.headerHash };
  const isFirst = before.sequence === 0;
  const follows = extension !== null && extendsBlock(header, { before, extension }, sha256);
  if (!isFirst && !follows) {
    return rejected('the header is not shown to follow the newest one');
  }
  const { checks, headerHash: hash, seals } = weighed;
  return {
    checks,
    light: { ...light, newest: { header, headerHash: hash, seals } },
    conflict: null,
  };
}

/** The end of the header's epoch, where the header lies beyond it: nobody correct seals such. */
function endedBefore({ epochs }: LightChain, header: Header): CertifiedHeader | null {
  const end = epochs[header.epoch]?.end ?? null;
  return end !== null && header.sequence > end.epochEnd.header.sequence ? endHeader(end) : null;
}

/**
 * A certified header whose history holds another header in the place of the newest: two chains, each
 * with its certificates. Never throws.
 */
export function judgeFork(
  light: LightChain,
  of: { readonly sealed: Sealed; readonly other: Header; readonly path: readonly Uint8Array[] },
  sha256: Sha256,
): Judgement | FaultError {
  const { newest } = light;
  const { sequence } = newest.header;
  const weighed = certified(light, of.sealed, sha256);
  if (isFault(weighed)) return weighed;
  const hash = headerHash(of.other, sha256);
  const isOther = of.other.sequence === sequence && !bytesEqual(hash, newest.headerHash);
  const before = { sequence, headerHash: hash };
  const extension = { type: 'path', path: of.path } as const;
  if (!isOther || !extendsBlock(weighed.header, { before, extension }, sha256)) {
    return rejected('the header is not shown to follow the newest one');
  }
  return conflicting(light, [newest, weighed], { header: of.other, path: of.path });
}

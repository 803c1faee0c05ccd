import { isFault, toFault, type FaultError } from '#lib/kernel/errors.ts';
import { HASH_BYTES, bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { Reader, Writer, malformed } from '#lib/ledger/pbft/codec/bytes.ts';
import {
  headerBytes,
  headerHash,
  readHeader,
  type Header,
} from '#lib/ledger/pbft/messages/header.ts';
import {
  readEpochEnd,
  writeEpochEnd,
  type EpochEnd,
} from '#lib/ledger/pbft/messages/state-transfer.ts';
import { readSigned, writeSigned, type Signed } from '#lib/ledger/pbft/messages/vote.ts';
import { REPLICAS_MAX } from '#lib/ledger/pbft/quorum.ts';
import { CLIENT_LIMITS } from '../limits.ts';
import { rejected, type CertifiedHeader, type LightChain } from './chain.ts';
import type { SignatureCheck } from './electors.ts';
import { extendsBlock } from './extension.ts';
import { weigh } from './weigh.ts';

/** Two certificates that no chain holds both. */
export interface Conflict {
  readonly first: CertifiedHeader;
  readonly second: CertifiedHeader;
  /** Where `second` is higher: what its history holds in the place of `first`. */
  readonly link: { readonly header: Header; readonly path: readonly Uint8Array[] } | null;
}

/** A conflict with the epoch ends by which its certificates are judged: what is exported. */
export interface Evidence {
  readonly conflict: Conflict;
  readonly ends: readonly EpochEnd[];
}

const VERSION = 1;

export function evidenceBytes(
  { epochs }: LightChain,
  { first, second, link }: Conflict,
): Uint8Array {
  const out = new Writer().u8(VERSION);
  const ends = epochs.flatMap(({ end }) => (end === null ? [] : [end.epochEnd]));
  out.list(ends, writeEpochEnd);
  for (const each of [first, second])
    out.raw(headerBytes(each.header)).list(each.seals, writeSigned);
  if (link === null) return out.u8(0).done();
  return out
    .u8(1)
    .raw(headerBytes(link.header))
    .list(link.path, (to, hash) => to.raw(hash))
    .done();
}

/** Exported evidence, or what is wrong with the bytes. Never throws. */
export function readEvidence(bytes: Uint8Array, sha256: Sha256): Evidence | FaultError {
  try {
    const from = new Reader(bytes);
    if (from.u8() !== VERSION) throw malformed('evidence of another version');
    const ends = from.list(CLIENT_LIMITS.epochsMax, readEpochEnd);
    const [first, second] = [readCertified(from, sha256), readCertified(from, sha256)];
    const flag = from.u8();
    if (flag > 1) throw malformed('a flag is 0 or 1');
    const link = flag === 0 ? null : { header: readHeader(from), path: readPath(from) };
    from.end();
    return { conflict: { first, second, link }, ends };
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

function readCertified(from: Reader, sha256: Sha256): CertifiedHeader {
  const header = readHeader(from);
  const seals: Signed[] = from.list(REPLICAS_MAX, readSigned);
  return { header, headerHash: headerHash(header, sha256), seals };
}

const readPath = (from: Reader): Uint8Array[] =>
  from.list(CLIENT_LIMITS.pathMax, (each) => each.raw(HASH_BYTES));

/** What a conflict shows, once `checks` hold. */
export interface ConflictVerdict {
  readonly checks: readonly SignatureCheck[];
  /** Who sealed both, by index: empty where the two are of different epochs or heights. */
  readonly both: readonly number[];
}

/** Does it convict? Under the electors of `light`, which has the ends that came with it. Never throws. */
export function judgeConflict(
  light: LightChain,
  { first, second, link }: Conflict,
  sha256: Sha256,
): ConflictVerdict | FaultError {
  const checks: SignatureCheck[] = [];
  for (const each of [first, second]) {
    const { header, headerHash: hash, seals } = each;
    const { epoch, sequence } = header;
    const sets = [{ epoch, sequence, headerHash: hash, seals }];
    const weighed = weigh(light, { header, seals: sets }, sha256);
    if (isFault(weighed)) return weighed;
    if (weighed.weight !== 'header') return rejected('fewer SEALs than a quorum');
    checks.push(...weighed.checks);
  }
  if (!excludes(light, { first, second, link }, sha256)) {
    return rejected('one chain may hold both certificates');
  }
  const isSamePlace =
    first.header.epoch === second.header.epoch && first.header.sequence === second.header.sequence;
  const signers = new Set(first.seals.map(({ replica }) => replica));
  const both = second.seals.map(({ replica }) => replica).filter((each) => signers.has(each));
  return { checks, both: isSamePlace ? both : [] };
}

/** Can no chain hold both? */
function excludes(light: LightChain, { first, second, link }: Conflict, sha256: Sha256): boolean {
  const [a, b] = [first.header, second.header];
  if (a.sequence === b.sequence) return !bytesEqual(first.headerHash, second.headerHash);
  if (a.epoch === b.epoch) {
    const lower = a.sequence < b.sequence ? a : b;
    const members = light.epochs[lower.epoch]?.electors.membersHash ?? lower.nextMembersHash;
    if (!bytesEqual(lower.nextMembersHash, members)) return true;
  }
  if (link === null || link.header.sequence !== a.sequence) return false;
  const hash = headerHash(link.header, sha256);
  if (bytesEqual(hash, first.headerHash)) return false;
  const before = { sequence: a.sequence, headerHash: hash };
  return extendsBlock(b, { before, extension: { type: 'path', path: link.path } }, sha256);
}

import { basename, join } from 'node:path';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { Disk } from './disk.ts';
import type { FindingCode, Tell } from './findings.ts';
import { HEAD_BYTES, decodeHead } from './head-layout.ts';
import { judgeFolder, type StateTie } from './judge.ts';
import { HEAD_NAMES, SEGMENT_NAME, readLogFiles } from './log-files.ts';
import { decodeSegmentHeader, type LogOwner } from './log-layout.ts';
import { LogWriter } from './log-writer.ts';
import { nodeDisk } from './node-disk.ts';

interface Checking {
  /** As the database says it. */
  readonly chain: Uint8Array | null;
  readonly ties: readonly StateTie[];
  readonly repair: boolean;
  readonly sha256: Sha256;
  readonly tell: Tell;
}

export interface CheckedLog {
  readonly key: string;
  /** Over its whole life. */
  readonly records: number;
  readonly signs: boolean;
}

const CURE =
  'its key signs never again: make a new one (npm run replica -- rekey) and have it rotated; until then the replica follows';

/** One vote key's log. Null: nothing in it says whose it is. */
export async function checkLog(folder: string, options: Checking): Promise<CheckedLog | null> {
  const { tell, sha256, repair } = options;
  const where = basename(folder);
  const disk = await nodeDisk(folder);
  const owner = await ownerOf(disk, options.chain);
  const lose = (code: FindingCode, what: string): void =>
    tell({ code, where, what, kind: 'lost', cure: CURE });
  if (owner === null) {
    lose('fsck/no-owner', 'nothing in it says whose it is');
    return null;
  }
  const key = toHex(owner.key);
  const door = { disk, owner, sha256 };
  const files = await readLogFiles(door).catch((error: unknown) => {
    if (isFault(error, 'ledger/other-chain')) return null;
    throw error;
  });
  if (files === null) {
    lose('fsck/other-chain', 'it is of another chain, or parts of two logs are in one folder');
    return { key, records: 0, signs: false };
  }
  const verdict = judgeFolder({ ...files, ties: options.ties }, owner);
  const records = files.log.records.at(-1)?.after.count ?? files.log.start?.count ?? 0;
  if (files.amnesia !== null || verdict.kind === 'amnesia') {
    lose('fsck/amnesia', files.amnesia ?? (verdict.kind === 'amnesia' ? verdict.why : ''));
    return { key, records, signs: false };
  }
  const isTorn = !files.log.isTailClean;
  if (isTorn) {
    const what = `something is behind its last whole record, ${records}`;
    const cure = 'it was never sent, and is dropped';
    tell({ code: 'fsck/torn-end', where, what, kind: 'repairable', cure });
  }
  for (const [i, slot] of files.slots.entries()) {
    if (slot !== null) continue;
    const what = 'is missing or damaged';
    const name = join(where, HEAD_NAMES[i] ?? '');
    const cure = 'it is made again from the other one';
    tell({ code: 'fsck/head-slot', where: name, what, kind: 'repairable', cure });
  }
  if (repair && (isTorn || files.slots.includes(null))) {
    await (await LogWriter.open(door, files)).close();
  }
  return { key, records, signs: true };
}

/** By a slot of its head, or the header of a segment. */
async function ownerOf(disk: Disk, chain: Uint8Array | null): Promise<LogOwner | null> {
  for (const name of HEAD_NAMES) {
    const slot = decodeHead(((await disk.read(name)) ?? new Uint8Array(0)).subarray(0, HEAD_BYTES));
    if (slot !== null) return { chain: chain ?? slot.chain, key: slot.key };
  }
  for (const name of (await disk.list()).filter((each) => SEGMENT_NAME.test(each))) {
    const header = decodeSegmentHeader((await disk.read(name)) ?? new Uint8Array(0));
    if (header !== null) return { chain: chain ?? header.chain, key: header.key };
  }
  return null;
}

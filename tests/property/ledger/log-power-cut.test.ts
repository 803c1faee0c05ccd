import { expect, test } from 'vitest';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { createLog, readLogFiles, type LogDoor } from '#lib/ledger/store/log-files.ts';
import { LogWriter, type LogEntry } from '#lib/ledger/store/log-writer.ts';
import {
  chainAfter,
  encodeFrame,
  encodeSegmentHeader,
  readLog,
} from '#lib/ledger/store/log-layout.ts';
import { judgeFolder } from '#lib/ledger/store/judge.ts';
import { MemoryDisk, PowerCut } from '#tests/support/ledger/memory-disk.ts';
import { recordLife } from '#tests/support/ledger/recorded-life.ts';

/** Small, so that a run goes over several of them; one record is larger. */
const SEGMENT_BYTES = 4096;

const life = recordLife(6);
const entries: readonly LogEntry[] = life.written
  .filter((effect) => effect.type === 'persist')
  .map(({ record, epoch, view }) => ({ record, epoch, view }));

const doorOf = (disk: MemoryDisk): LogDoor => ({
  ...{ disk, owner: life.owner, sha256: nodeSha256, segmentBytes: SEGMENT_BYTES },
});

/** Goes on with the log as a replica would, in groups, until the power goes. @returns what was on disk for sure. */
async function append(disk: MemoryDisk, random: Random, sure: { count: number }): Promise<void> {
  const door = doorOf(disk);
  const files = await readLogFiles(door);
  const verdict = judgeFolder({ ...files, ties: [] }, life.owner);
  expect(verdict).toMatchObject({ kind: 'whole' });
  if (verdict.kind !== 'whole') return;
  expect(verdict.records.length).toBeGreaterThanOrEqual(sure.count);
  expect(verdict.records).toEqual(entries.slice(0, verdict.records.length).map((e) => e.record));
  const writer = await LogWriter.open(door, files);
  sure.count = writer.count;
  while (writer.count < entries.length) {
    await writer.append(entries.slice(writer.count, writer.count + 1 + random.below(6)));
    sure.count = writer.count;
  }
}

async function freshDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await createLog(disk, life.owner, SEGMENT_BYTES);
  return disk;
}

test('[B3] the power cut before any operation, and again: what was stored is there', async () => {
  expect(entries.length).toBeGreaterThan(40);
  for (let cutAt = 6; ; cutAt += 1) {
    const random = seededRandom(cutAt);
    const sure = { count: 0 };
    let disk = await freshDisk();
    disk.cutAt = cutAt;
    let isDone = false;
    for (let cuts = 0; cuts < 3; cuts += 1) {
      try {
        await append(disk, random, sure);
        isDone = cuts === 0;
        break;
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        disk = disk.afterCut(random);
        if (cuts === 0) disk.cutAt = random.below(12);
      }
    }
    expect(sure.count, `cut at ${cutAt}`).toBe(entries.length);
    if (isDone) return;
  }
});

test('[B3] the head is written only when the log is synced', async () => {
  const disk = await freshDisk();
  const writer = await LogWriter.open(doorOf(disk), await readLogFiles(doorOf(disk)));
  const steps: string[] = [];
  const open = disk.open.bind(disk);
  disk.open = async (name) => {
    const file = await open(name);
    return {
      ...file,
      write: (bytes, at) => (steps.push(`write ${name}`), file.write(bytes, at)),
      sync: () => (steps.push(`sync ${name}`), file.sync()),
    };
  };
  await writer.close();
  const again = await LogWriter.open(doorOf(disk), await readLogFiles(doorOf(disk)));
  steps.length = 0;
  await again.append(entries.slice(0, 3));
  await again.append(entries.slice(3, 4));
  const [log, [first, second]] = ['wal.00000001', ['wal.head.0', 'wal.head.1']] as const;
  const group = (head: string) => [`write ${log}`, `sync ${log}`, `write ${head}`, `sync ${head}`];
  expect(steps).toEqual([...group(first), ...group(second)]);
});

test('[B3] bytes of an earlier life behind the end are no continuation', () => {
  const { owner } = life;
  const [first, second, third] = entries.map(({ record }) => record) as [
    Uint8Array,
    ...Uint8Array[],
  ];
  const header = encodeSegmentHeader({ ...owner, index: 1, count: 0, chainHash: ZERO_HASH });
  const after = (record: Uint8Array) => chainAfter(ZERO_HASH, record, nodeSha256);
  // One record torn off and another of its length in its place; the one behind it stands as it was.
  const left = encodeFrame(third!, after(second!));
  const segment = concatBytes([header, encodeFrame(first, ZERO_HASH), left]);
  expect(readLog([segment], owner, nodeSha256).records).toHaveLength(1);
  const own = concatBytes([
    header,
    encodeFrame(first, ZERO_HASH),
    encodeFrame(third!, after(first)),
  ]);
  expect(readLog([own], owner, nodeSha256).records).toHaveLength(2);
});

import { isFault } from '#lib/kernel/errors.ts';
import { ZERO_HASH, bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { decodeRecord } from '#lib/ledger/pbft/records.ts';
import type { LogHead } from '#lib/ledger/pbft/types.ts';
import { newest, type HeadSlot } from './head-layout.ts';
import type { LogOwner, LogPlace, LogReading } from './log-layout.ts';

/** A state on disk, by what ties it to a log: its `stable` record there. */
export interface StateTie {
  readonly sequence: number;
  readonly recordId: number;
  /** The log goes on from here only where it reaches to this record: the last that told again what counted. */
  readonly toldAgainId: number;
  /** The vote key whose log that is. */
  readonly logKey: Uint8Array;
}

export type Verdict =
  | {
      readonly kind: 'whole';
      readonly head: LogHead;
      /** Of `ties`, the state that the records go on from; null: the genesis. */
      readonly state: StateTie | null;
      /** Before the first record that the core is given. */
      readonly pruned: LogPlace;
      readonly records: readonly Uint8Array[];
    }
  | { readonly kind: 'amnesia'; readonly why: string };

const BEGINNING: LogPlace = { count: 0, chainHash: ZERO_HASH };

/**
 * What the folder knows of what its key has signed. Whether the records agree with the head is the
 * core's to say; here it is seen that nothing is given to it with a hole in it.
 */
export function judgeFolder(
  of: {
    readonly log: LogReading;
    readonly slots: readonly (HeadSlot | null)[];
    readonly ties: readonly StateTie[];
  },
  owner: LogOwner,
): Verdict {
  const { log, slots } = of;
  const head = newest(slots);
  if (head === null) return lost('both slots of its head are missing or damaged');
  // A crash tears the head only after the log was synced: both at once is damage.
  if (slots.includes(null) && !log.isTailClean) return lost('its head and its end are damaged');
  const start = log.start ?? (head.count === 0 ? BEGINNING : null);
  if (start === null) return lost('its first segment is missing or damaged');
  const end = log.records.at(-1)?.after ?? start;
  if (end.count < head.count) {
    return lost(`it ends at record ${end.count}, and its head says ${head.count}`);
  }
  const state = stateFor(of, { head, start, key: owner.key });
  if (state === undefined) return lost('the state that its records go on from is missing');
  const skipped =
    state === null || !isOfKey(state, owner.key) ? 0 : state.recordId - 1 - start.count;
  return {
    kind: 'whole',
    head: { count: head.count, chainHash: head.chainHash, epoch: head.epoch, view: head.view },
    state,
    pruned: skipped === 0 ? start : (log.records[skipped - 1]?.after ?? start),
    records: log.records.slice(skipped).map(({ bytes }) => bytes),
  };
}

const lost = (why: string): Verdict => ({ kind: 'amnesia', why });

const isOfKey = ({ logKey }: StateTie, key: Uint8Array): boolean => bytesEqual(logKey, key);

/** The newest state whose `stable` record is here; null: none is needed; undefined: none is here. */
function stateFor(
  { log, ties }: { readonly log: LogReading; readonly ties: readonly StateTie[] },
  at: { readonly head: LogHead; readonly start: LogPlace; readonly key: Uint8Array },
): StateTie | null | undefined {
  const { head, start, key } = at;
  const fits = (tie: StateTie): boolean => {
    // Of an older key's log: its votes are not this key's, so all of this log still counts.
    if (!isOfKey(tie, key)) return start.count === 0;
    const record = log.records[tie.recordId - 1 - start.count];
    if (record === undefined || tie.recordId - 1 > head.count) return false;
    if (tie.toldAgainId > start.count + log.records.length) return false;
    const read = decodeRecord(record.bytes);
    return !isFault(read) && read.type === 'stable' && read.certificate.sequence === tie.sequence;
  };
  const known = [...ties].sort((a, b) => b.sequence - a.sequence).find(fits);
  return known ?? (start.count === 0 ? null : undefined);
}

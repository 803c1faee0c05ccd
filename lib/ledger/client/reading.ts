import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import {
  readRecord,
  recordKey,
  type Kind,
  type Records,
} from '#lib/ledger/account/records/kinds.ts';
import { HOLD_OPEN } from '#lib/ledger/account/records/records.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import type { Connection } from './connection.ts';
import type { Knowledge } from './knowledge.ts';
import { isShown, provenRecord, shownRecord } from './light/proofs.ts';
import { CLIENT_LIMITS, CLIENT_TIMES } from './limits.ts';
import { isCertificate, type Certificate } from './submitting.ts';
import { replyOf, type ReplyOf } from './source.ts';
import type { SealSet } from './wire/answers.ts';
import type { Read, StateAt } from './wire/requests.ts';

export interface Readers {
  readonly connections: readonly Connection[];
  readonly knowledge: Knowledge;
}

/** A record as it stood after a block. */
export interface RecordRead<K extends Kind> {
  /** Null: proven that there is none. */
  readonly record: Records[K] | null;
  readonly sequence: number;
  /** Ledger time of the block, milliseconds since 1970. */
  readonly timeMs: number;
  readonly certificate: Certificate;
}

/** Records under a header that enough replicas have sealed: what they are is shown by anybody's proofs. */
export interface Shown {
  readonly answer: ReplyOf<'records'>;
  readonly certificate: Certificate;
}

/**
 * One record from all replicas in one round: one's proof under a header of which SEALs came from enough
 * of them, the highest; q SEALs where they come within a moment, else f + 1.
 * @throws FaultError `ledger/stale` none is as far as `minSequence`; `ledger/no-quorum` too few answer
 */
export async function readFromAll<K extends Kind>(
  of: { readonly kind: K; readonly id: Uint8Array; readonly minSequence: number },
  readers: Readers,
): Promise<RecordRead<K>> {
  const { kind, id, minSequence } = of;
  const keys = [recordKey(kind, id, readers.knowledge.sha256)];
  // Replicas that stand far apart, or too few of them: the last block that a quorum has sealed.
  const { answer, certificate } = await recordsFromAll(
    { keys, minSequence, states: ['newest', 'certified'] },
    readers,
  );
  const record = shownRecord(kind, must(answer.records[0], 'a record for each key'));
  if (isFault(record)) throw record;
  const { sequence, timeMs } = answer.header;
  return { record, sequence, timeMs, certificate };
}

/** The same for any keys, in the first of these states that can be shown. @throws FaultError as `readFromAll` */
export async function recordsFromAll(
  of: Pick<Read, 'keys' | 'minSequence'> & { readonly states: readonly StateAt[] },
  readers: Readers,
): Promise<Shown> {
  const { keys, minSequence, states } = of;
  let isBehind = false;
  let isForeign = false;
  for (const at of states) {
    const found = await round({ type: 'read', at, minSequence, keys }, readers);
    if (found.shown !== null) return found.shown;
    isBehind ||= found.isBehind;
    isForeign ||= found.isForeign;
  }
  if (isBehind) {
    throw new FaultError('ledger/stale', `no replica that answers is at block ${minSequence}`);
  }
  throw new FaultError(
    'ledger/no-quorum',
    isForeign
      ? 'too few replicas answer to be believed, and some are of another network: is the genesis theirs?'
      : 'too few replicas answer to be believed',
  );
}

interface Candidate {
  readonly from: Connection;
  readonly answer: ReplyOf<'records'>;
}

interface Round {
  readonly shown: Shown | null;
  readonly isBehind: boolean;
  /** One answered with another chain: where nothing is shown that may be why. */
  readonly isForeign: boolean;
}

function round(question: Read, { connections, knowledge }: Readers): Promise<Round> {
  const candidates: Candidate[] = [];
  const sets: SealSet[] = [];
  let open = connections.length;
  let isBehind = false;
  let isForeign = false;
  return new Promise((resolve, reject) => {
    let patience: ReturnType<typeof setTimeout> | null = null;
    let isOver = false;
    const end = (shown: Shown | null): void => {
      if (patience !== null) clearTimeout(patience);
      isOver = true;
      resolve({ shown, isBehind, isForeign });
    };
    const look = async (isLast: boolean): Promise<void> => {
      const best = await bestOf(candidates, sets, knowledge);
      if (isOver) return;
      if (best?.certificate.weight === 'header' || isLast) end(best);
      else if (best !== null) {
        patience ??= setTimeout(() => void look(true).catch(reject), CLIENT_TIMES.certifyMs);
      }
    };
    const onReply = async (from: Connection): Promise<void> => {
      try {
        const answer = replyOf(await from.ask(question), 'records');
        isForeign ||= !bytesEqual(answer.header.chain, knowledge.chain);
        sets.push(...answer.seals);
        // Its own to show: what the others say is looked at without it.
        await knowledge.reach(from, answer.header);
        if (answersAll(answer, question, knowledge.sha256)) candidates.push({ from, answer });
      } catch (error) {
        if (isFault(error, 'ledger/conflicting-certificates')) throw error;
        isBehind ||= isFault(error, 'ledger/stale');
      }
      open -= 1;
      await look(open === 0);
    };
    for (const each of connections) void onReply(each).catch(reject);
  });
}

/** As high as was asked for, and a proof for each key that leads to the header. */
function answersAll(
  { header, records }: ReplyOf<'records'>,
  { keys, minSequence }: Read,
  sha256: Sha256,
): boolean {
  if (header.sequence < minSequence || records.length !== keys.length) return false;
  return records.every((given, i) =>
    isShown(header, { key: must(keys[i], 'as many keys'), given }, sha256),
  );
}

/** The highest that is certified, q SEALs before f + 1. */
async function bestOf(
  candidates: readonly Candidate[],
  sets: readonly SealSet[],
  knowledge: Knowledge,
): Promise<Shown | null> {
  let best: Shown | null = null;
  for (const { from, answer } of candidates) {
    const { header } = answer;
    const hash = headerHash(header, knowledge.sha256);
    const seals = sets.filter((set) => bytesEqual(set.headerHash, hash));
    try {
      const judged = await knowledge.judge(from, { header, seals });
      if (!isCertificate(judged)) continue;
      const shown = { answer, certificate: judged };
      if (best === null || rank(shown) > rank(best)) best = shown;
    } catch (error) {
      // A liar's header; two certificates are another matter.
      if (isFault(error, 'ledger/conflicting-certificates')) throw error;
    }
  }
  return best;
}

const rank = ({ answer, certificate }: Shown): number =>
  answer.header.sequence + (certificate.weight === 'header' ? Number.MAX_SAFE_INTEGER / 2 : 0);

/** Open holds of a gateway, each proven, by ascending id. */
export interface HoldsPage {
  readonly holds: readonly Records['hold'][];
  /** To be asked for after; null: there are no more. */
  readonly next: Uint8Array | null;
}

/**
 * A page of a gateway's open holds. No root shows that a list is whole, so f + 1 replicas give theirs and
 * one of them is correct: what any of them proves is there.
 * @throws FaultError `ledger/no-quorum` fewer than f + 1 answer
 */
export async function holdsFromAll(
  of: { readonly gateway: Uint8Array; readonly after: Uint8Array | null },
  readers: Readers & { readonly minSequence: number },
): Promise<HoldsPage> {
  const { connections, knowledge, minSequence } = readers;
  const question = { type: 'open-holds', ...of } as const;
  const answers = await Promise.all(
    connections.map(async (from) => {
      try {
        const answer = replyOf(await from.ask(question), 'records');
        return answer.header.sequence >= minSequence ? { from, answer } : null;
      } catch {
        return null;
      }
    }),
  );
  const given = answers.filter((each) => each !== null);
  const sets = given.flatMap(({ answer }) => answer.seals);
  const found = new Map<string, Records['hold']>();
  let whole = 0;
  let limit: string | null = null;
  for (const { from, answer } of given) {
    const holds = provenHolds(answer, { ...of, sha256: knowledge.sha256 });
    const hash = headerHash(answer.header, knowledge.sha256);
    const seals = sets.filter((set) => bytesEqual(set.headerHash, hash));
    const judged = await knowledge.judge(from, { header: answer.header, seals }).catch(() => null);
    if (holds === null || judged === null || !isCertificate(judged)) continue;
    whole += 1;
    for (const hold of holds) found.set(toHex(hold.id), hold);
    const last = holds.at(-1);
    if (last && holds.length === CLIENT_LIMITS.holdsMax) limit = least(limit, toHex(last.id));
  }
  if (whole < knowledge.weakQuorum) {
    throw new FaultError('ledger/no-quorum', 'too few replicas answer to be believed');
  }
  const page = [...found]
    .filter(([id]) => limit === null || id <= limit)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const holds = page.map(([, hold]) => hold);
  return { holds, next: limit === null ? null : (holds.at(-1)?.id ?? null) };
}

const least = (a: string | null, b: string): string => (a === null || b < a ? b : a);

/** The holds of an answer, or null where one does not hold: not this gateway's, closed, out of order. */
function provenHolds(
  { header, records }: ReplyOf<'records'>,
  of: {
    readonly gateway: Uint8Array;
    readonly after: Uint8Array | null;
    readonly sha256: Sha256;
  },
): Records['hold'][] | null {
  const holds: Records['hold'][] = [];
  let last = of.after === null ? '' : toHex(of.after);
  for (const given of records) {
    const read = given.value === null ? null : readRecord(given.value);
    if (read === null || isFault(read) || read.kind !== 'hold') return null;
    const { id } = read.record;
    const record = provenRecord(header, { kind: 'hold', id, given }, of.sha256);
    if (record === null || isFault(record)) return null;
    if (!bytesEqual(record.gateway, of.gateway) || record.status !== HOLD_OPEN) return null;
    if (toHex(id) <= last) return null;
    last = toHex(id);
    holds.push(record);
  }
  return holds;
}

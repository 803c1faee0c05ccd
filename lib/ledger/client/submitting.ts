import { FaultError, isFault } from '#lib/kernel/errors.ts';
import type { ResultCode } from '#lib/ledger/account/codes.ts';
import type { Connection } from './connection.ts';
import type { Judged, Knowledge } from './knowledge.ts';
import { provenOutcome } from './light/proofs.ts';
import { CLIENT_TIMES } from './limits.ts';
import type { Executed, Refused, Reply } from './wire/answers.ts';
import { refusalFault, type Refusal } from './wire/codes.ts';

/** f + 1 SEALs of the block, or q of them. */
export interface Certificate extends Judged {
  readonly weight: 'reply' | 'header';
}

/** A transaction has been ordered and executed, with effect or without. */
export interface Done {
  /** The block in which it was executed first. */
  readonly sequence: number;
  /** `ok`, or why it had no effect. */
  readonly code: ResultCode;
  /** Of the block that shows it. */
  readonly certificate: Certificate;
}

export const isCertificate = (judged: Judged): judged is Certificate => judged.weight !== 'none';

export interface Sending {
  readonly connections: readonly Connection[];
  readonly knowledge: Knowledge;
  readonly timeoutMs: number;
}

interface Ordered {
  readonly id: Uint8Array;
  readonly transaction: Uint8Array;
}

/** It is executed, but in a block that no replica keeps. */
export const FORGOTTEN = 'forgotten';

/**
 * To all replicas at once, until f + 1 SEALs show what became of it. A replica that refuses for now, or
 * whose link ends, is sent the same bytes again: a transaction has its effect once.
 * @throws FaultError `ledger/outcome-unknown` in time nobody knows; what all have refused it for
 */
export function submitToAll(
  of: Ordered,
  { connections, knowledge, timeoutMs }: Sending,
): Promise<Done | typeof FORGOTTEN> {
  return new Promise((resolve, reject) => {
    /** By replica, why it does not take it now; null: it may have it. */
    const refused = new Map<Connection, Refused | null>();
    const forgotten = new Set<Connection>();
    // A replica that is silent or away for good keeps nothing of what is over.
    const kept = new Set<() => void>();
    let isOver = false;
    const end = (settle: () => void): void => {
      isOver = true;
      clearTimeout(timer);
      for (const letGo of kept) letGo();
      settle();
    };
    const timer = setTimeout(() => end(() => reject(unknownOutcome())), timeoutMs);

    const onReply = async (from: Connection, reply: Reply): Promise<void> => {
      if (reply.type === 'executed') {
        refused.set(from, null);
        const done = await proven(reply, { from, knowledge, id: of.id });
        if (done !== null && !isOver) end(() => resolve(done));
      } else if (reply.type === 'refused' && reply.code === 'request/not-found') {
        forgotten.add(from);
        if (!isOver && forgotten.size >= knowledge.weakQuorum) end(() => resolve(FORGOTTEN));
      } else if (reply.type === 'refused') {
        refused.set(from, reply);
        refuseWhereAll();
        again(from, Math.max(reply.retryAfterMs, CLIENT_TIMES.retryMs));
      }
    };
    const refuseWhereAll = (): void => {
      const all = connections.map((each) => refused.get(each) ?? null);
      if (isOver || all.includes(null)) return;
      end(() => reject(refusalOf(all.filter((each) => each !== null))));
    };
    const again = (to: Connection, ms: number): void => {
      if (isOver) return;
      const next = setTimeout(() => void send(to), Math.min(ms, timeoutMs));
      kept.add(() => clearTimeout(next));
    };
    const send = async (to: Connection): Promise<void> => {
      if (!to.isOpen) {
        const opened = new Promise<void>((resolve) => kept.add(to.whenOpen(resolve)));
        const isThere = await Promise.race([
          opened.then(() => true),
          sleep(CLIENT_TIMES.connectMs).then(() => false),
        ]);
        if (!isThere && !refused.has(to)) refused.set(to, UNREACHABLE);
        refuseWhereAll();
        await opened;
        if (isOver) return;
      }
      refused.set(to, null);
      const stop = to.stream(
        { type: 'submit', transaction: of.transaction },
        {
          onReply: (reply) => {
            stop();
            void onReply(to, reply).catch((error: unknown) => {
              if (isFault(error, 'ledger/conflicting-certificates')) end(() => reject(error));
            });
          },
          // It may have it: so this is no refusal.
          onLost: () => again(to, CLIENT_TIMES.retryMs),
        },
      );
      kept.add(stop);
    };
    for (const each of connections) void send(each);
  });
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

const unknownOutcome = (): FaultError =>
  new FaultError(
    'ledger/outcome-unknown',
    'nobody knows yet what became of it: call again with the same id',
  );

/** What a replica says that is not there. */
const UNREACHABLE: Refused = { type: 'refused', code: 'ledger/no-quorum', retryAfterMs: 0 };

/** Why all refused: what more of them say, and that nothing can be ordered before all else. */
function refusalOf(all: readonly Refused[]): FaultError {
  const counts = new Map<Refusal, number>();
  for (const { code } of all) counts.set(code, (counts.get(code) ?? 0) + 1);
  const most = [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 'ledger/no-quorum';
  const code = counts.has('ledger/no-quorum') ? 'ledger/no-quorum' : most;
  return refusalFault(code, Math.max(...all.map(({ retryAfterMs }) => retryAfterMs)));
}

/** The outcome, once its block has enough SEALs; null: not yet, or what one replica says does not hold. */
export async function proven(
  reply: Executed,
  of: { readonly from: Connection; readonly knowledge: Knowledge; readonly id: Uint8Array },
): Promise<Done | null> {
  const { from, knowledge, id } = of;
  const outcome = provenOutcome(reply, id, knowledge.sha256);
  if (isFault(outcome)) return null;
  const judged = await knowledge.judge(from, reply);
  if (!isCertificate(judged)) return null;
  return { sequence: outcome.sequence, code: outcome.code, certificate: judged };
}

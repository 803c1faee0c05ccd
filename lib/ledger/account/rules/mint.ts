import { concatBytes, toHex } from '#lib/kernel/bytes.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { accountId, newAccount, withEarnings } from '../accounts.ts';
import type { BodyOf } from '../codec/bodies.ts';
import type { ResultCode } from '../codes.ts';
import type { Draft } from '../draft.ts';
import { activeGateway, gatewayToday } from '../gateways.ts';
import { NEW_DAYS } from '../limits.ts';
import { u32Bytes } from '../records/kinds.ts';
import type { Gateway, Pot } from '../records/records.ts';
import type { Rule } from './outcome.ts';

const TERAFLOP = 10n ** 12n;

/** Pays the workers of one chunk from the job's pot, and from the gateway's subsidy (A8). */
export const mint: Rule<'mint'> = (draft, body, { publicKey }) => {
  const active = activeGateway(draft, publicKey);
  if (!active) return 'ledger/not-authorised';
  const pot = draft.get('pot', body.holdId);
  if (!pot) return 'ledger/unknown-hold';
  if (!bytesEqual(pot.gateway, publicKey)) return 'ledger/not-authorised';
  if (draft.timeMs >= pot.closesAtMs) return 'ledger/hold-closed';
  const gateway = gatewayToday(active, draft.day);
  const refused = limits(draft, body, { pot, gateway }) ?? repeated(draft, body);
  if (refused) return refused;
  draft.put('pot', { ...pot, micro: pot.micro - body.potMicro });
  draft.toTreasury(-body.subsidyMicro);
  const usedSubsidyMicro = gateway.usedSubsidyMicro + body.subsidyMicro;
  draft.put('gateway', { ...gateway, usedSubsidyMicro });
  payShares(draft, body, pot);
  return 'ok';
};

type MintBody = BodyOf<'mint'>;

function limits(
  draft: Draft,
  { potMicro, subsidyMicro, shares }: MintBody,
  { pot, gateway }: { readonly pot: Pot; readonly gateway: Gateway },
): ResultCode | null {
  const { constitution, totals } = draft;
  const flops = shares.reduce((sum, share) => sum + share.flops, 0n);
  const mostMicro = (flops * constitution.parameters.microPerTeraflop) / TERAFLOP;
  if (potMicro + subsidyMicro === 0n || potMicro + subsidyMicro > mostMicro) {
    return 'ledger/over-limit';
  }
  if (potMicro > pot.micro) return 'ledger/insufficient-credit';
  if (gateway.usedSubsidyMicro + subsidyMicro > gateway.subsidyPerDayMicro) {
    return 'ledger/over-limit';
  }
  return subsidyMicro > totals.treasuryMicro ? 'ledger/insufficient-credit' : null;
}

/** (job, segment, chunk, worker) is paid once; a job's id is good once, so that holds for ever. */
function repeated(draft: Draft, body: MintBody): ResultCode | null {
  const workers = new Set(body.shares.map(({ worker }) => toHex(worker)));
  const twice = workers.size < body.shares.length;
  const before = body.shares.some(
    ({ worker }) => draft.get('minted', mintedId(body, worker)) !== null,
  );
  return twice || before ? 'ledger/id-conflict' : null;
}

const mintedId = ({ holdId, segment, chunk }: MintBody, worker: Uint8Array): Uint8Array =>
  concatBytes([holdId, u32Bytes(Number(segment)), u32Bytes(Number(chunk)), worker]);

/** Shares by FLOPs, rounded down; what the rounding leaves burns. */
function payShares(draft: Draft, body: MintBody, pot: Pot): void {
  const totalMicro = body.potMicro + body.subsidyMicro;
  const flops = body.shares.reduce((sum, share) => sum + share.flops, 0n);
  let leftMicro = totalMicro;
  for (const share of body.shares) {
    const micro = (totalMicro * share.flops) / flops;
    leftMicro -= micro;
    earn(draft, { worker: share.worker, micro, gateway: pot.gateway });
    draft.put('minted', {
      holdId: body.holdId,
      segment: Number(body.segment),
      chunk: Number(body.chunk),
      worker: share.worker,
      closesAtMs: pot.closesAtMs,
    });
  }
  draft.burn(leftMicro);
}

interface Pay {
  readonly worker: Uint8Array;
  readonly micro: bigint;
  readonly gateway: Uint8Array;
}

/** Half of what a new account earns waits for seven days; a share of nothing makes no account. */
function earn(draft: Draft, { worker, micro, gateway }: Pay): void {
  if (micro === 0n) return;
  const { day } = draft;
  const id = accountId(worker, draft.sha256);
  const account = draft.get('account', id) ?? newAccount(worker, id);
  const firstMintDay = account.firstMintDay || day;
  const waitsMicro = day < firstMintDay + NEW_DAYS ? micro / 2n : 0n;
  draft.put('account', {
    ...withEarnings(account, micro, day),
    firstMintDay,
    activeDay: day,
    earnedMicro: account.earnedMicro + micro - waitsMicro,
    maturingMicro: account.maturingMicro + waitsMicro,
  });
  if (waitsMicro === 0n) return;
  const before = draft.get('maturing', concatBytes([id, gateway, u32Bytes(day)]))?.micro ?? 0n;
  draft.put('maturing', { account: id, gateway, day, micro: before + waitsMicro });
}

import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { castWaitingCommits } from './casting.ts';
import { blocksTo } from './checkpoint-log.ts';
import { accuse } from './evidence.ts';
import type { Seal, SealCertificate } from './messages/seal.ts';
import { inOrder } from './messages/vote.ts';
import { logAgain } from './log-again.ts';
import { propose } from './propose.ts';
import { electorateOf, sealHolds } from './signatures.ts';
import { enterEpoch } from './epochs.ts';
import { inWindow, met, quorum, update, votes, type ChainHead, type Turn } from './state.ts';

/** CHECKPOINT: another's SEAL at n ≡ 0 mod K. */
export function onSeal(turn: Turn, seal: Seal): void {
  const { state } = turn;
  const { sequence, replica } = seal;
  const { checkpointInterval } = state.constitution.parameters;
  if (seal.epoch !== state.constitution.epoch || sequence % checkpointInterval !== 0) return;
  if (!inWindow(state, sequence)) return;
  const known = state.seals.get(sequence)?.get(replica);
  if (known !== undefined && bytesEqual(known.headerHash, seal.headerHash)) return;
  if (!sealHolds(electorateOf(state), seal)) return;
  if (known !== undefined) {
    accuse(turn, known, seal);
    return;
  }
  keepSeal(turn, seal);
  checkStable(turn, sequence);
}

/** Our own, now that what it promises is on disk. */
export function onOwnSeal(turn: Turn, seal: Seal): void {
  const { constitution, stable } = turn.state;
  if (seal.epoch !== constitution.epoch || seal.sequence <= stable.sequence) return;
  keepSeal(turn, seal);
  checkStable(turn, seal.sequence);
}

export function keepSeal(turn: Turn, seal: Seal): void {
  const { seals } = turn.state;
  const at = new Map(seals.get(seal.sequence)).set(seal.replica, seal);
  update(turn, { seals: new Map(seals).set(seal.sequence, at) });
}

/** q equal SEALs at `sequence`, if they are there: digests are never mixed. */
function certificateAt({ state }: Turn, sequence: number): SealCertificate | null {
  const byHash = new Map<string, Seal[]>();
  for (const seal of state.seals.get(sequence)?.values() ?? []) {
    const key = toHex(seal.headerHash);
    byHash.set(key, [...(byHash.get(key) ?? []), seal]);
  }
  const equal = [...byHash.values()].find((seals) => seals.length >= quorum(state));
  if (equal?.[0] === undefined) return null;
  const { epoch, headerHash } = equal[0];
  return { epoch, sequence, headerHash, seals: inOrder(equal) };
}

/** After a SEAL or a block at a checkpoint. */
export function checkStable(turn: Turn, sequence: number): void {
  const { ahead } = turn.state;
  const certificate = ahead?.sequence === sequence ? ahead : certificateAt(turn, sequence);
  if (certificate !== null) onProven(turn, certificate);
}

/** A checkpoint that q have proven: stable if our own is the same, else a state to be fetched. */
export function onProven(turn: Turn, certificate: SealCertificate): void {
  const { stable, ahead, checkpoints } = turn.state;
  const { sequence, headerHash } = certificate;
  if (sequence <= stable.sequence) return;
  const own = checkpoints.get(sequence);
  if (own !== undefined && bytesEqual(own.headerHash, headerHash)) {
    becomeStable(turn, own, certificate);
  } else if (ahead === null || sequence > ahead.sequence) {
    met(turn, 'R9 a checkpoint is proven before it is executed');
    update(turn, { ahead: certificate });
    forgetBelow(turn, sequence - turn.state.constitution.parameters.logWindow);
  }
}

/**
 * Who cannot get the state sees one checkpoint after the other proven: what is farther behind them than
 * L would only pile up. Nearer slots may still be executed from the votes that are here.
 */
function forgetBelow(turn: Turn, sequence: number): void {
  const { slots, seals } = turn.state;
  if ([...slots.keys()].some((at) => at <= sequence))
    met(turn, 'R24 what is L behind the proven is forgotten');
  update(turn, { slots: above(slots, sequence + 1), seals: above(seals, sequence + 1) });
}

const above = <T>(map: ReadonlyMap<number, T>, from: number): Map<number, T> =>
  new Map([...map].filter(([at]) => at >= from));

/** Everything up to this checkpoint is history: only here the log is cut. */
export function becomeStable(turn: Turn, own: ChainHead, certificate: SealCertificate): void {
  const { sequence } = certificate;
  const { ahead, slots, bodies, seals, executed, checkpoints, constitution } = turn.state;
  const isLed = blocksTo(turn.state, sequence) !== null;
  met(turn, 'R9 a checkpoint is stable');
  update(turn, {
    stable: certificate,
    ahead: ahead !== null && ahead.sequence > sequence ? ahead : null,
    slots: above(slots, sequence + 1),
    bodies: new Map([...bodies].filter(([, body]) => body.sequence > sequence)),
    seals: above(seals, sequence + 1),
    executed: above(executed, sequence + 1),
    checkpoints: above(checkpoints, sequence).set(sequence, own),
  });
  const endsEpoch = own.constitution.epoch !== constitution.epoch;
  // A log is read from a state of its own epoch on.
  const leadsHere = !endsEpoch && votes(turn.state) && isLed;
  if (endsEpoch) enterEpoch(turn, own, certificate);
  logAgain(turn, own, { endsEpoch, leadsHere });
  castWaitingCommits(turn);
  propose(turn);
}

/** Our head at the stable checkpoint: what a peer is given. */
export const stableHead = ({ state }: Turn): ChainHead =>
  must(state.checkpoints.get(state.stable.sequence), 'the stable checkpoint is kept');

import { EMPTY_RANGE } from '#lib/ledger/crypto/mountain-range.ts';
import { genesisHeader, headerHash } from './messages/header.ts';
import { PendingRequests } from './pending.ts';
import { selfIn, type ChainHead, type ReplicaState } from './state.ts';
import type { Environment, Now } from './types.ts';

function genesisHead(env: Environment): ChainHead {
  const { application, sha256, chain, genesis: app, genesisTimeMs: timeMs } = env;
  const constitution = application.constitution(app);
  const { epoch, membership } = constitution;
  const stateRoot = application.stateRoot(app);
  const header = genesisHeader({ chain, epoch, timeMs, stateRoot, membership }, sha256);
  const hash = headerHash(header, sha256);
  return { sequence: 0, header, headerHash: hash, range: EMPTY_RANGE, app, constitution };
}

export function genesisState(env: Environment, now: Now): ReplicaState {
  const head = genesisHead(env);
  const { constitution, headerHash: hash } = head;
  return {
    env,
    constitution,
    self: selfIn(env, constitution),
    isAmnesiac: false,
    view: 0,
    phase: { kind: 'active', since: now.atMs },
    base: { sequence: 0, headerHash: hash },
    slots: new Map(),
    bodies: new Map(),
    head,
    executed: new Map(),
    checkpoints: new Map([[0, head]]),
    stable: { epoch: constitution.epoch, sequence: 0, headerHash: hash, seals: [] },
    ahead: null,
    seals: new Map(),
    epochEnds: [],
    pending: PendingRequests.NONE,
    proposed: 0,
    spacedUntil: now.atMs,
    isSpaced: false,
    viewChanges: new Map(),
    newView: null,
    doublings: 0,
    delayed: new Set(),
    heardAt: now.atMs,
    batchAt: now.atMs,
    statusAt: now.atMs,
    nextBarrier: 1,
    withheld: [],
    evidence: [],
    answered: new Map(),
    hints: new Map(),
    askedForState: null,
    receiving: null,
    giving: null,
  };
}

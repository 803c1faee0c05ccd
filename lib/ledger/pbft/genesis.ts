import { EMPTY_RANGE, rangeRoot } from '#lib/ledger/crypto/mountain-range.ts';
import { ZERO_HASH } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from './messages/header.ts';
import { selfIn, type ChainHead, type ReplicaState } from './state.ts';
import type { Environment, Now } from './types.ts';

/** The block before the first: no batch, no votes, known to all by the genesis. */
function genesisHead(env: Environment): ChainHead {
  const { application, sha256, chain, genesis: app, genesisTimeMs } = env;
  const constitution = application.constitution(app);
  const header: Header = {
    chain,
    epoch: constitution.epoch,
    sequence: 0,
    prevHeaderHash: ZERO_HASH,
    timeMs: genesisTimeMs,
    batchDigest: ZERO_HASH,
    resultsRoot: ZERO_HASH,
    stateRoot: application.stateRoot(app),
    historyRoot: rangeRoot(EMPTY_RANGE, sha256),
    nextMembersHash: sha256(constitution.membership),
    beacon: ZERO_HASH,
  };
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
    checkpoints: new Map([[0, head]]),
    stable: { epoch: constitution.epoch, sequence: 0, headerHash: hash, seals: [] },
    ahead: null,
    seals: new Map(),
    epochEnds: [],
    pending: new Map(),
    proposed: 0,
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
  };
}

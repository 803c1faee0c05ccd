import { KIB, MIB } from '#lib/kernel/units.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';

export const REPLICA_LIMITS = {
  /** What waits for one peer. A state in transfer fits; beyond it frames are dropped, and repeated by STATUS. */
  peerQueueBytesMax: LIMITS.frameBytesMax + 8 * MIB,
  /** Sockets on the replicas' port: members twice while one redials, and strangers at the door. */
  peerSocketsMax: 256,
  clientSocketsMax: 1_024,
  /** What waits for one client. One who does not read is closed, not waited for. */
  clientQueueBytesMax: CLIENT_LIMITS.answerBytesMax + MIB,
  /** Requests of all clients that wait for their turn; more are `ledger/busy`. */
  clientFramesMax: 2_048,
  clientFrameBytesMax: 8 * MIB,
  /** Submits of one connection that wait to be executed. As many as the core keeps of one link. */
  waitingPerClientMax: LIMITS.pendingPerLinkMax,
  subscriptionsPerClientMax: 16,
  /** Recent blocks whose SEALs stand beside answers, and that need no disk. */
  recentBlocksMax: CLIENT_LIMITS.sealSetsMax,
  configBytesMax: 64 * KIB,
} as const;

export const REPLICA_TIMES = {
  /** From TCP's connect to the end of TLS' handshake. */
  handshakeMs: 5_000,
  /** Peers are asked so often for their clock, which also shows that a link lives: some answers may be lost before `noQuorumMs`. */
  pingMs: 1_000,
  /** A link that is silent so long is half open: it is closed, and dialled again. */
  silenceMs: 5_000,
  redialMsMin: 100,
  redialMsMax: 1_000,
  /** A client's frame, once begun, is whole within this. */
  frameMs: 10_000,
  /** Without q − 1 others for so long nothing can be ordered here (ledger.md, The gateway's API). */
  noQuorumMs: 2_000,
  busyRetryMs: 250,
  /** What one peer sent is looked at for so long, then the others have their turn, however much it sends. */
  linkSliceMs: 1,
  /** Clients' requests are worked off for so long, then votes have their turn. */
  clientSliceMs: 2,
  /** Everything ends so long after a signal, whatever hangs. */
  stopMs: 4_000,
} as const;

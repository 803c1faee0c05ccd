import { KIB, MIB } from '#lib/kernel/units.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';

export const REPLICA_LIMITS = {
  /** What waits for one peer: the largest frame, and votes beside it. Beyond it frames are dropped, and repeated by STATUS. */
  peerQueueBytesMax: LIMITS.frameBytesMax + 8 * MIB,
  /** Sockets on the replicas' port: members twice while one redials, and strangers at the door. */
  peerSocketsMax: 256,
  clientSocketsMax: 1_024,
  /** What waits for one client. One who does not read is closed, not waited for. */
  clientQueueBytesMax: CLIENT_LIMITS.answerBytesMax + MIB,
  /** Frames of one connection that wait for their turn: with more of either it is not read. */
  framesWaitingMax: 64,
  frameBytesWaitingMax: 16 * KIB,
  /**
   * Batches of requests that are taken in as fast as they are read: enough to fill those to come. With more
   * at hand a client has one frame looked at in a turn of the event loop.
   */
  batchesAtHand: 4,
  /** Submits of one connection that wait to be executed. As many as the core keeps of one link. */
  waitingPerClientMax: LIMITS.pendingPerLinkMax,
  subscriptionsPerClientMax: 16,
  /** Recent blocks whose SEALs stand beside answers, and that need no disk. */
  recentBlocksMax: CLIENT_LIMITS.sealSetsMax,
  configBytesMax: 64 * KIB,
} as const;

/**
 * What frames may cost that bring nothing: of a member, whose signatures hold and who repeats itself
 * when others may have missed something. Of a client also what is read for it: only what is ordered, or may
 * be soon, is free.
 */
export const ALLOWANCES = {
  peer: { burstMs: 20, share: 0.15, togetherMs: 1 },
  client: { burstMs: 100, share: 0.2, togetherMs: 2 },
  /** Of a client that has brought nothing yet that was to be ordered: at first as much as a gateway asks at once. */
  stranger: { burstMs: 30, share: 0.1, togetherMs: 2 },
  /** A frame costs at least so much: decryption, and what it wakes elsewhere, is not measured. */
  frameMsMin: 0.05,
  /** And so much where the disk is asked: by threads that votes wait for, too, while they are written. */
  diskFrameMsMin: 0.3,
} as const;

/** How often who comes to a client port may act. */
export const DOOR_RATES = {
  /** Transactions of one key that is no gateway's. An account asks for a hold a prompt. */
  key: { perSecond: 10, burst: 100 },
  /** Connections from one address: a handshake costs more than a millisecond. */
  peerHandshakes: { perSecond: 20, burst: 512 },
  clientHandshakes: { perSecond: 100, burst: 2_048 },
} as const;

export const REPLICA_TIMES = {
  /** From TCP's connect to the end of TLS' handshake. */
  handshakeMs: 5_000,
  /**
   * So often links are looked at. Whoever said nothing for half of it is asked, and so is heard before
   * `noQuorumMs`; where beats come more often nobody is.
   */
  pingMs: 1_000,
  /** Peers are asked so often for their clock in any case. */
  clockMs: 10_000,
  /** A link that is silent so long is half open: it is closed, and dialled again. */
  silenceMs: 5_000,
  redialMsMin: 100,
  redialMsMax: 1_000,
  /** A client's frame, once begun, is whole within this. */
  frameMs: 10_000,
  /** Without q − 1 others for so long nothing can be ordered here. */
  noQuorumMs: 2_000,
  busyRetryMs: 250,
  /** A member that sent what is no message is shut out for so long, doubled each time. */
  shunMsMin: 1_000,
  shunMsMax: 60_000,
  /** Who is told to go is gone after this. */
  closeMs: 1_000,
  /** What replicas sent is looked at for so long, frame by frame in turn; then other things have theirs. */
  linkSliceMs: 2,
  /** Clients' requests are worked off for so long, then votes have their turn. */
  clientSliceMs: 1,
  /** Everything ends so long after a signal, whatever hangs. */
  stopMs: 4_000,
} as const;

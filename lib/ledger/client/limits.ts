import { invariant } from '#lib/kernel/assert.ts';
import { KIB, MIB } from '#lib/kernel/units.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';

/** Bounds of what a ledger's clients and the replicas' client port say to one another. */
export const CLIENT_LIMITS = {
  /** Client → replica: a transaction of 66 KiB, or 64 keys, with what stands around it. */
  requestBytesMax: 72 * KIB,
  /** Replica → client: one whole block, or many small ones. */
  answerBytesMax: 10 * MIB,
  /** A replica stops adding blocks or epoch ends to an answer here; the first is always in it. */
  answerBytesAim: MIB,
  /** Records of one READ. */
  keysMax: 64,
  /** Records of one page of open holds. */
  holdsMax: 64,
  /** A record, the constitution being the longest: 32 replicas and 32 changes that wait, 12 KB. */
  recordBytesMax: 64 * KIB,
  /** 64 levels of 15 siblings. */
  proofBytesMax: 32 * KIB,
  /** Blocks that one BLOCKS may ask for. */
  blocksMax: 256,
  /** Transactions of a block. */
  resultsMax: 1024,
  /** A path among 2¹⁰ results; one into a history of 2⁵³ headers. */
  pathMax: 53,
  /** Recent blocks whose SEALs stand beside an answer. */
  sealSetsMax: 32,
  /** Headers that show one block to follow another, where no path is kept: 11 hours of an idle ledger. */
  headersBetweenMax: 4_096,
  /** Ends of epochs in one answer; who wants more asks again from the last. */
  epochEndsMax: 1_024,
  /** Epochs that a client's own place, or evidence, may lead over. */
  epochsMax: 65_535,
  /** Pieces of evidence that one source is asked for. */
  evidenceMax: 1_024,
} as const;

export const CLIENT_TIMES = {
  redialMsMin: 100,
  redialMsMax: 5_000,
  /** A replica that sent what is no answer is not dialled for so long, doubled each time. */
  shunMsMin: 1_000,
  shunMsMax: 30_000,
  /** A replica that is not connected after so long counts as one that is not there. */
  connectMs: 500,
  /** One replica's answer to what it can say at once. */
  answerMs: 5_000,
  /** From submit to `ledger/outcome-unknown`. */
  outcomeMs: 10_000,
  /** A replica that refused for now, or lost its link, is asked again. */
  retryMs: 500,
  /** A refusal asks for no longer wait than this. */
  retryAfterMsMax: 60_000,
  /** After the first f + 1 answers a read waits so long for q SEALs of one header. */
  certifyMs: 100,
  /** A transaction ends so long after it was made; replicas take ten minutes at most. */
  validityMs: 5 * 60_000,
} as const;

/** Bounds of what a client remembers. */
export const CLIENT_MEMORY = {
  /** Headers of which SEALs are counted: all that a subscription waits for, and as many by liars. */
  headersMax: 4_096,
  /** Transactions under way, or whose outcome nobody knows yet. */
  transactionsMax: 4_096,
  /** Records that were read, for when no replica answers. */
  readsMax: 1_024,
  /** Blocks that came before their turn or wait for SEALs, by subscription. */
  blocksAheadMax: 512,
} as const;

/** A head older than this is stale: a live ledger has a block at least every 10 s. */
export const HEAD_STALE_MS = 30_000;
/** Own knowledge older than this is as good as none: keys of that time may have leaked since. */
export const TRUSTING_PERIOD_MS = 30 * 24 * 3_600_000;

invariant(
  CLIENT_MEMORY.headersMax >= 4 * CLIENT_MEMORY.blocksAheadMax,
  'SEALs of a block are counted until it had its turn',
);
invariant(
  CLIENT_LIMITS.requestBytesMax > LIMITS.requestBytesMax &&
    CLIENT_LIMITS.answerBytesMax > LIMITS.batchBytesMax + MIB,
  'a frame holds the longest transaction, an answer the longest block',
);

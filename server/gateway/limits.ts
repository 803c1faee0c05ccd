import { MIB } from '#lib/kernel/units.ts';
import { invariant } from '#lib/kernel/assert.ts';

/** Bounds of the doors; `createGateway` takes other values for tests and small machines. */
export const GATEWAY = {
  /** A prompt of 8 192 tokens is about 40 KB of text; ids as JSON about 60 KB. */
  bodyBytesMax: MIB,
  /** A refused body is read on for so long, so that its sender reads the refusal, not a reset. */
  refusedBodyBytesMax: 64 * MIB,
  messagesMax: 2048,
  partsMax: 256,
  stopsMax: 4,
  stopCharsMax: 1024,
  /** A `prompt_cache_key` of fewer characters could be guessed, and has no effect: 128 bits in base64. */
  cacheKeyCharsMin: 22,
  cacheKeyCharsMax: 512,

  /** Cutting a prompt into tokens: 200 000 spaces take 0.3 s, a megabyte of random text 3–6 s. */
  promptReadMs: 5_000,
  promptsWaitingMax: 256,
  /** A worker thread that loads a tokenizer of 128k tokens on a busy machine. */
  promptReaderStartMs: 60_000,
  /** That tokenizer takes about 100 MB; what a hostile template builds ends the thread, not us. */
  promptReaderHeapMb: 768,
  /** Of a busy machine: a conversation of 2 048 messages takes a real template 40–120 ms. */
  templateMs: 250,
  /** What a body can hold, and room for what the template writes around it. */
  templateCharsMax: MIB,

  /** Choices of one answer (`n`), each a session. */
  choicesMax: 8,
  /** Sessions of answers that run or wait here, whatever the cluster's own queue would still take. */
  answersOpenMax: 1024,
  /** Prompt and possible answer of all open requests together: about 64 bytes each in memory. */
  tokensOpenMax: 8 * MIB,
  /** Longest answer, whatever is left of the context. */
  answerTokensMax: 65_536,
  /** Finished answers without a reader, kept for a page that reloads. */
  answersKeptMax: 256,
  tokensKeptMax: MIB,
  resumableSecondsMax: 60,
  /** Finished answers of requests with a retry key: clients ask again within 8 s (dialect, 4.8). */
  retryKeptMs: 60_000,
  readersPerAnswerMax: 8,
  /** Route changes an answer remembers; one that moved more often is about to be lost. */
  routesKeptMax: 64,

  /** Questions to the ledger under way: replicas let this server ask so much at once (`ALLOWANCES`). */
  questionsOpenMax: 64,
  /** A page asks one after the other; a school's pages share an address. */
  questionsPerAddressMax: 16,
  /** A megabyte each: a replica closes a link on which eleven wait. */
  blocksOpenMax: 4,
  /** Of its answers: a megabyte takes 50–200 ms of this thread, for its proofs are looked at. */
  ledgerBytesPerSecond: MIB,
  ledgerBytesBurst: 16 * MIB,
  ledgerAddressBytesPerSecond: MIB / 4,
  /** 4 096 small blocks, where no path shows that one header follows another, are 2.4 MB. */
  ledgerAddressBytesBurst: 4 * MIB,

  /** Comments of SSE: not before 5 s of silence, at least every 10 s (dialect, 4.8, 3.13). */
  keepAliveMs: 8_000,
  /** Node's fetch gives up on silence before headers after 300 s: a plain answer commits before. */
  plainCommitMs: 60_000,
  /** A reader whose socket takes nothing for so long is cut. */
  readerStallMs: 30_000,
  /** First guess of an answer's time, until answers have been measured. */
  answerMsGuess: 5_000,
  /** Clients obey `retry-after` below 60 s and ignore it above (dialect, 4.9). */
  retryAfterSecondsMax: 59,
  noCoverRetrySeconds: 30,
  /** Readers of a server that ends get this long to take why; a restart takes a few seconds. */
  stopMs: 500,
  stopRetrySeconds: 5,
} as const;

export type GatewayConfig = { readonly [K in keyof typeof GATEWAY]: number };

/** @throws InvariantError where bounds contradict each other. */
export function gatewayConfig(overrides: Partial<GatewayConfig> = {}): GatewayConfig {
  const config = { ...GATEWAY, ...overrides };
  invariant(config.retryAfterSecondsMax < 60, 'a retry-after of 60 s or more is ignored');
  invariant(config.noCoverRetrySeconds <= config.retryAfterSecondsMax, 'no-cover retries in time');
  invariant(config.bodyBytesMax <= config.refusedBodyBytesMax, 'a refused body is larger');
  return config;
}

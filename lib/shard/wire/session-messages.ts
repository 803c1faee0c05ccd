import * as z from 'zod/mini';
import { HEX_32, HEX_64, type NodeId, type SessionId } from '#lib/kernel/ids.ts';
import { GRAMMAR } from '#lib/webgpu/grammar/limits.ts';
import { NUMERICS } from '#lib/webgpu/model.ts';
import { SAMPLING } from '#lib/webgpu/sampling/limits.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import type { SamplingParams, TokenHistory } from '#lib/webgpu/sampling/params.ts';
import { RING, WIRE } from './limits.ts';

/** What owner and stages tell each other over the nodes' sockets (S1–S13). */

const whole = (max: number) => z.number().check(z.int(), z.gte(0), z.lte(max));
export const nodeIdSchema = z.string().check(z.regex(HEX_64)) as unknown as z.ZodMiniType<NodeId>;
export const sessionIdSchema = z
  .string()
  .check(z.regex(HEX_32)) as unknown as z.ZodMiniType<SessionId>;
const epoch = whole(2 ** 31);
const place = whole(WIRE.placesMax - 1);
const position = whole(WIRE.promptIdsMax);
const tokenId = whole(1 << 20);
export const rangeSchema = z.strictObject({ first: whole(9999), last: whole(9999) });

/** How rows travel; in the order of the frame's byte, each narrower than the one before. */
export const WIRE_DTYPES = ['f32', 'f16', 'int8'] as const;
export type WireDtype = (typeof WIRE_DTYPES)[number];

/** One place of a route: who holds which layers, since when, and how it reaches the next place. */
const routePlaceSchema = z.strictObject({
  node: nodeIdSchema,
  incarnation: whole(2 ** 48),
  range: rangeSchema,
  /** The epoch in which this holder took the place: another value means its state is void (S5). */
  since: epoch,
  /** The path to the next place (the last place: to stage 0). */
  path: z.enum(['direct', 'relay']),
});
export type RoutePlace = z.infer<typeof routePlaceSchema>;

const { penaltyMax, biasMax } = SAMPLING;
const penalty = z.number().check(z.gte(-penaltyMax), z.lte(penaltyMax));
const samplingSchema = z.strictObject({
  temperature: z.number().check(z.gte(0), z.lte(2)),
  topK: whole(1 << 20),
  topP: z.number().check(z.gt(0), z.lte(1)),
  minP: z.number().check(z.gte(0), z.lte(1)),
  typicalP: z.number().check(z.gt(0), z.lte(1)),
  seed: whole(Number.MAX_SAFE_INTEGER),
  choice: whole(127),
  logprobs: z.nullable(whole(SAMPLING.logprobsMax)),
  penalties: z.nullable(
    z.strictObject({
      repetition: z.number().check(z.gte(SAMPLING.repetitionMin), z.lte(SAMPLING.repetitionMax)),
      presence: penalty,
      frequency: penalty,
      bias: z
        .array(z.tuple([tokenId, z.number().check(z.gte(-biasMax), z.lte(biasMax))]))
        .check(z.maxLength(SAMPLING.biasedIdsMax)),
    }),
  ),
}) as unknown as z.ZodMiniType<SamplingParams>;

const logprob = z.number().check(z.lte(0.001));
const logprobsSchema = z.strictObject({
  logprob,
  top: z.array(z.tuple([tokenId, logprob])).check(z.maxLength(SAMPLING.logprobsMax)),
}) as unknown as z.ZodMiniType<TokenLogprobs>;

const historySchema = z.strictObject({
  promptIds: z.array(tokenId).check(z.maxLength(WIRE.promptIdsMax)),
  answerIds: z.array(tokenId).check(z.maxLength(WIRE.promptIdsMax)),
}) as unknown as z.ZodMiniType<TokenHistory>;

const pageDigests = z
  .array(z.string().check(z.regex(HEX_32)))
  .check(z.maxLength(WIRE.prefixPagesMax));

/** Names of whole pages of ids below L; inner places see no ids, and learn none from these (S3). */
const prefixSchema = z.strictObject({
  pagePositions: z.number().check(z.int(), z.gte(1), z.lte(WIRE.rowsPerFrameMax)),
  /** Whether a place without KV looks for pages of these names before it reports (S5). */
  mayHit: z.boolean(),
  digests: pageDigests,
});

const prepareSchema = z.strictObject({
  type: z.literal('prepare'),
  session: sessionIdSchema,
  epoch,
  /** L = promptLength + accepted − 1: every place must hold KV for exactly the positions below (S2). */
  resumeAt: position,
  promptLength: position,
  route: z.array(routePlaceSchema).check(z.minLength(1), z.maxLength(WIRE.placesMax)),
  /**
   * Prompt and accepted ids of positions 0 … L: for place 0, and for the last place where it makes
   * drafts. Empty for the others.
   */
  ids: z.array(tokenId).check(z.maxLength(WIRE.promptIdsMax)),
  /**
   * For the last place, where penalties or a grammar look at it, else empty: the prompt's distinct
   * ids and the accepted ones. Other places learn no ids.
   */
  history: historySchema,
  /** For the last place, where the answer has to fit one: a schema as JSON. Null for the others. */
  grammar: z.nullable(z.string().check(z.minLength(1), z.maxLength(GRAMMAR.schemaCharsMax))),
  manifest: z.string().check(z.regex(HEX_64)),
  numerics: z.enum(NUMERICS),
  wireDtype: z.enum(WIRE_DTYPES),
  sampling: samplingSchema,
  /** Most new tokens; ids that end the answer (none with `ignore_eos`). */
  maxTokens: position,
  eosIds: z.array(tokenId).check(z.maxLength(16)),
  /** Most ids that the last place may guess for one step; 0: it guesses none. */
  draftsMax: whole(RING.draftsMax),
  /** Rows of a prefill chunk: ≤ 250 ms predicted on the slowest place (V1). */
  chunkRows: z.number().check(z.int(), z.gte(1), z.lte(WIRE.rowsPerFrameMax)),
  /** Absent: the session shares no page. */
  prefix: z.optional(prefixSchema),
});

/** Owner → node. */
export const ownerMessageSchema = z.discriminatedUnion('type', [
  prepareSchema,
  /** All have reported: place i computes from `starts[i]` on (L: it has no gap) (S5). */
  z.strictObject({
    type: z.literal('fill'),
    session: sessionIdSchema,
    epoch,
    starts: z.array(position).check(z.minLength(1), z.maxLength(WIRE.placesMax)),
  }),
  /** All report L: stage 0 gets the id at position L; once an epoch. */
  z.strictObject({
    type: z.literal('handover'),
    session: sessionIdSchema,
    epoch,
    position,
    id: tokenId,
  }),
  /** How many tokens the owner has accepted in all; cumulative (S7). */
  z.strictObject({ type: z.literal('ack'), session: sessionIdSchema, epoch, accepted: position }),
  z.strictObject({ type: z.literal('keepalive'), session: sessionIdSchema, epoch }),
  /** The new route leaves this node out (S5). */
  z.strictObject({ type: z.literal('release'), session: sessionIdSchema, epoch }),
  /**
   * Final (S10). `pages`: for holders that are in this epoch, the names of the pages that follow those
   * of its `prepare`, up to the last accepted id.
   */
  z.strictObject({
    type: z.literal('end'),
    session: sessionIdSchema,
    pages: z.optional(z.strictObject({ epoch, digests: pageDigests })),
  }),
]);
export type OwnerMessage = z.infer<typeof ownerMessageSchema>;
export type Prepare = z.infer<typeof prepareSchema>;

export const FAULT_WHY = [
  'seq-gap',
  'position-gap',
  'held-overflow',
  'held-expired',
  'link-closed',
  'no-room',
  'expired',
  'engine',
  'load',
  'not-finite',
  'unfit',
] as const;
export type FaultWhy = (typeof FAULT_WHY)[number];

/** Node → owner. The socket stamps node and incarnation. */
export const stageMessageSchema = z.discriminatedUnion('type', [
  /** At once, by a thread that does not compute: the node is alive and knows the epoch (V1). */
  z.strictObject({ type: z.literal('prepared'), session: sessionIdSchema, epoch }),
  /** After the cut to L, and again as KV grows (S5). */
  z.strictObject({
    type: z.literal('report'),
    session: sessionIdSchema,
    epoch,
    place,
    kvLength: position,
    keptFrom: position,
  }),
  z.strictObject({
    type: z.literal('fault'),
    session: sessionIdSchema,
    epoch,
    place,
    why: z.enum(FAULT_WHY),
  }),
  /** Pages are free again after `no-room` (S11). */
  z.strictObject({ type: z.literal('room'), session: sessionIdSchema, epoch, place }),
  /** From the last place only. `last`: EOS or max tokens end the answer here (S8). */
  z.strictObject({
    type: z.literal('token'),
    session: sessionIdSchema,
    epoch,
    place,
    index: position,
    id: tokenId,
    last: z.boolean(),
    /** Where the sampling asks for them. */
    logprobs: z.optional(logprobsSchema),
  }),
  /** After a socket reconnect (S4). */
  z.strictObject({
    type: z.literal('resync'),
    sessions: z
      .array(z.strictObject({ session: sessionIdSchema, epoch }))
      .check(z.maxLength(WIRE.sessionsPerNodeMax)),
  }),
]);
export type StageMessage = z.infer<typeof stageMessageSchema>;

/**
 * What a pong says of one place in this epoch (V1): one past the last position whose row it took,
 * and one past the last position it sent on (the last place: of the token it sent to stage 0).
 */
export const progressSchema = z.strictObject({
  session: sessionIdSchema,
  epoch,
  place,
  taken: whole(2 ** 32),
  sent: whole(2 ** 32),
});
export type Progress = z.infer<typeof progressSchema>;

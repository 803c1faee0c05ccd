import * as z from 'zod/mini';
import { HEX_64, MODEL_ID } from '#lib/kernel/ids.ts';
import { FAULT_CODES } from '#lib/kernel/errors.ts';
import { KNOWN_SAMPLE_VALUES } from '#lib/webgpu/answers-agree.ts';
import { ENGINES, NUMERICS } from '#lib/webgpu/model.ts';
import { WIRE } from './limits.ts';
import {
  nodeIdSchema,
  ownerMessageSchema,
  progressSchema,
  rangeSchema,
  stageMessageSchema,
} from './session-messages.ts';

/** What a node and the signaling server tell each other: one socket event, `message`, each way. */

const whole = (max: number) => z.number().check(z.int(), z.gte(0), z.lte(max));
const ms = z.number().check(z.gte(0), z.lte(1e7));
const bytes = whole(2 ** 48);
/** The server's clock, echoed: milliseconds since its process began, for years. */
const echoedInstant = z.number().check(z.gte(0), z.lte(2 ** 48));
const shortText = z.string().check(z.maxLength(WIRE.textCharsMax));
const hex = (digits: number) => z.string().check(z.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));
const modelRef = z.strictObject({
  id: z.string().check(z.regex(MODEL_ID)),
  hash: z.string().check(z.regex(HEX_64)),
});

/** Life of a node as the status page and the volunteer see it. */
export const NODE_STATES = [
  'joining',
  'measuring',
  'loading',
  'warming',
  'ready',
  'serving',
  'spare',
  'paused',
  'leaving',
  'lost',
] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** Measured, never guessed: placement's input (P1). */
export const profileSchema = z.strictObject({
  kind: z.enum(['tab', 'node']),
  /** For people: `Chromium 156 · 8 cores`. */
  device: shortText,
  engine: z.enum(ENGINES),
  threads: z.number().check(z.int(), z.gte(1), z.lte(256)),
  /** Milliseconds a layer of the measured shape at 1, 8 and 64 rows, alone on the machine. */
  layerMs: z.tuple([ms, ms, ms]),
  /** Milliseconds of the head at 1, 8 and 64 rows. */
  headMs: z.tuple([ms, ms, ms]),
  memoryLentBytes: bytes,
  storageBytes: bytes,
  /** Hash of the manifest whose shape was measured. */
  measuredFor: z.string().check(z.regex(HEX_64)),
  /** Chunks already in the cache, as ranges of layers (placement loves the shard you have). */
  cachedRanges: z.array(rangeSchema).check(z.maxLength(64)),
});
export type NodeProfile = z.infer<typeof profileSchema>;

const assignmentSchema = z.strictObject({
  model: modelRef,
  range: rangeSchema,
  /** Fetched to the cache while idle: what this node takes over when another leaves (P1). */
  takeOver: z.nullable(rangeSchema),
  numerics: z.enum(NUMERICS),
});
export type Assignment = z.infer<typeof assignmentSchema>;

/** Of one row of a range: bits for CPU stages, values for GPU stages (M7). */
const knownAnswer = z.strictObject({
  digest: hex(64),
  largest: z.number(),
  sample: z.readonly(
    z.array(z.number()).check(z.minLength(KNOWN_SAMPLE_VALUES), z.maxLength(KNOWN_SAMPLE_VALUES)),
  ),
});

/** Bytes a millisecond from the node that says it to a peer, of a channel that never ran dry. */
const linkRateSchema = z.strictObject({
  peer: nodeIdSchema,
  bytesPerMs: z.number().check(z.int(), z.gte(1), z.lte(1e9)),
});
export type LinkRate = z.infer<typeof linkRateSchema>;

/** Server → node. */
export const serverMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('challenge'),
    nonce: hex(64),
    origin: shortText,
    protocol: whole(2 ** 16),
    /** The model this cluster serves: what to measure for. */
    model: z.nullable(modelRef),
    iceServers: z
      .array(
        z.strictObject({
          urls: z.array(shortText).check(z.maxLength(8)),
          username: z.optional(shortText),
          credential: z.optional(shortText),
        }),
      )
      .check(z.maxLength(8)),
  }),
  z.strictObject({ type: z.literal('welcome'), incarnation: whole(2 ** 48), resumed: z.boolean() }),
  /** Fenced, refused or too old: the socket is closed after this (V3, M2, M5). */
  z.strictObject({ type: z.literal('goodbye'), code: z.enum(FAULT_CODES), message: shortText }),
  z.strictObject({ type: z.literal('ping'), at: echoedInstant }),
  /** Null: nothing to hold just now (a spare without a shard). */
  z.strictObject({ type: z.literal('assign'), assignment: z.nullable(assignmentSchema) }),
  /** Compute this seeded input on the loaded range and answer (M7). */
  z.strictObject({
    type: z.literal('known-answer'),
    id: whole(2 ** 32),
    range: rangeSchema,
    seed: whole(2 ** 32),
    rows: z.number().check(z.int(), z.gte(1), z.lte(64)),
  }),
  /** Known answer passed: the node counts as ready. */
  z.strictObject({ type: z.literal('trusted'), range: rangeSchema }),
  /** Open a link with `peer`; the initiator makes the offer (M3). */
  z.strictObject({
    type: z.literal('introduce'),
    peer: nodeIdSchema,
    link: hex(32),
    initiator: z.boolean(),
    /** Skip the direct attempt (M6, V1). */
    relayOnly: z.boolean(),
  }),
  z.strictObject({ type: z.literal('part'), peer: nodeIdSchema, link: hex(32) }),
  z.strictObject({
    type: z.literal('signal'),
    from: nodeIdSchema,
    link: hex(32),
    payload: z.string().check(z.maxLength(WIRE.sdpCharsMax)),
    /** Of offers and answers, over the binding of M3; null for candidates. */
    signature: z.nullable(hex(128)),
  }),
  z.strictObject({ type: z.literal('session'), message: ownerMessageSchema }),
]);
export type ServerMessage = z.infer<typeof serverMessageSchema>;

/** Node → server. Relayed frames travel as a binary event of their own, `relay`. */
export const nodeMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('hello'),
    protocol: whole(2 ** 16),
    node: nodeIdSchema,
    identity: hex(64),
    /** The identity's signature over (`declai/node/1`, node key) (M1). */
    certificate: hex(128),
    nonce: hex(64),
    profile: profileSchema,
    /** The node key's signature over the hello (M2). */
    signature: hex(128),
    /** The incarnation to go on with after a socket reconnect; null for a fresh one. */
    resume: z.nullable(whole(2 ** 48)),
  }),
  z.strictObject({
    type: z.literal('pong'),
    at: echoedInstant,
    progress: z.array(progressSchema).check(z.maxLength(WIRE.sessionsPerNodeMax)),
  }),
  /** What the volunteer's page shows is what the status page shows. */
  z.strictObject({
    type: z.literal('state'),
    state: z.enum(NODE_STATES),
    bytesLoaded: bytes,
    bytesTotal: bytes,
  }),
  /** A range is in memory and passed its own check; bytes fetched since the start. */
  z.strictObject({
    type: z.literal('loaded'),
    model: modelRef,
    range: rangeSchema,
    networkBytes: bytes,
    cacheBytes: bytes,
  }),
  z.strictObject({
    type: z.literal('load-failed'),
    model: modelRef,
    range: rangeSchema,
    code: z.enum(FAULT_CODES),
    message: shortText,
  }),
  /** Chunks of the take-over range are in the cache. */
  z.strictObject({ type: z.literal('cached'), range: rangeSchema }),
  z.strictObject({ type: z.literal('known-answer'), id: whole(2 ** 32), answer: knownAnswer }),
  z.strictObject({
    type: z.literal('signal'),
    to: nodeIdSchema,
    link: hex(32),
    payload: z.string().check(z.maxLength(WIRE.sdpCharsMax)),
    signature: z.nullable(hex(128)),
  }),
  z.strictObject({
    type: z.literal('link'),
    peer: nodeIdSchema,
    link: hex(32),
    state: z.enum(['open', 'closed']),
    path: z.enum(['direct', 'relay']),
    rttMs: z.nullable(ms),
  }),
  /** V2: Pause, Stop and pagehide. `finish`: no new sessions, running ones may end. */
  z.strictObject({ type: z.literal('leave'), how: z.enum(['stop', 'pause', 'finish']) }),
  z.strictObject({ type: z.literal('resume') }),
  /** Live decode steps, median milliseconds at `stepRows` rows, for placement (P3); 0: unknown. */
  z.strictObject({
    type: z.literal('load'),
    sessions: whole(WIRE.sessionsPerNodeMax),
    tokensServed: bytes,
    stepMsP50: ms,
    stepRows: whole(WIRE.rowsPerFrameMax),
    steps: bytes,
    pagesFree: bytes,
    linkRates: z.array(linkRateSchema).check(z.maxLength(WIRE.linksPerNodeMax)),
  }),
  z.strictObject({ type: z.literal('session'), message: stageMessageSchema }),
]);
export type NodeMessage = z.infer<typeof nodeMessageSchema>;

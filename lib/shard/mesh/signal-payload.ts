import * as z from 'zod/mini';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { MESH } from './limits.ts';

/** What two nodes tell each other through the server until their link is open. */
const sdp = z.string().check(z.minLength(1), z.maxLength(WIRE.sdpCharsMax));

const signalPayloadSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('offer'), sdp }),
  z.strictObject({ type: z.literal('answer'), sdp }),
  z.strictObject({
    type: z.literal('candidate'),
    candidate: z.string().check(z.maxLength(MESH.candidateCharsMax)),
    sdpMid: z.nullable(z.string().check(z.maxLength(32))),
    sdpMLineIndex: z.nullable(z.number().check(z.int(), z.gte(0), z.lte(16))),
  }),
  /** No direct path here: let us meet at the relay (M6). */
  z.strictObject({ type: z.literal('relay') }),
]);
export type SignalPayload = z.infer<typeof signalPayloadSchema>;

/** Null for what is no payload; never throws. */
export function decodeSignalPayload(text: string): SignalPayload | null {
  try {
    const parsed = signalPayloadSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

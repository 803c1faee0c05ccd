import * as z from 'zod/mini';
import { FAULT_CODES } from '#lib/kernel/errors.ts';

/** What a job client needs of a `MessagePort`: the browser's and Node's both have it. */
export interface JobPort {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
}

/** Jobs by name: what each takes and what it answers. */
export type JobTable<Jobs> = {
  readonly [Name in keyof Jobs]: { readonly args: unknown; readonly result: unknown };
};

const jobId = z.number().check(z.int(), z.gte(1));

export const requestSchema = z.strictObject({
  id: jobId,
  name: z.string().check(z.minLength(1), z.maxLength(64)),
  args: z.unknown(),
});
export type JobRequest = z.infer<typeof requestSchema>;

const faultSchema = z.strictObject({
  code: z.enum(FAULT_CODES),
  message: z.string(),
  details: z.optional(z.record(z.string(), z.union([z.string(), z.number()]))),
});

export const replySchema = z.discriminatedUnion('ok', [
  z.strictObject({ id: jobId, ok: z.literal(true), result: z.unknown() }),
  z.strictObject({ id: jobId, ok: z.literal(false), fault: faultSchema }),
]);
export type JobReply = z.infer<typeof replySchema>;

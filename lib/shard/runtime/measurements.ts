import * as z from 'zod/mini';
import { REASONS, type ReasonCode } from '#lib/kernel/reasons.ts';
import { THREADS } from '#lib/webgpu/capability/limits.ts';
import { GPU_ENGINES } from '#lib/webgpu/model.ts';
import type { Measured, MeasurementStore } from './platform.ts';

const times = z.tuple([z.number(), z.number(), z.number()]);
const speed = z.strictObject({ layerMs: times, headMs: times });
const memoryBytes = z.number().check(z.gte(0));
const reason = z.enum(Object.keys(REASONS) as [ReasonCode, ...ReasonCode[]]);
const threads = z.strictObject({
  threads: z.number().check(z.int(), z.gte(1), z.lte(THREADS.max)),
  reason,
});
const measuredSchema = z.strictObject({
  cpu: z.strictObject({ layerMs: times, headMs: times, memoryBytes, threads }),
  gpu: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('sound'),
      engine: z.enum(GPU_ENGINES),
      speed,
      memoryBytes,
      weightFactor: z.number().check(z.positive()),
    }),
    z.strictObject({
      kind: z.literal('refused'),
      reason,
    }),
    z.strictObject({ kind: z.literal('trying'), tries: z.number().check(z.int(), z.gte(1)) }),
  ]),
});

/** What was stored, if it is still what this build stores. */
export function readMeasured(value: unknown): Measured | null {
  const parsed = measuredSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}

/** The in-memory twin: for tests, and where a browser keeps nothing. */
export function memoryMeasurements(): MeasurementStore {
  const rows = new Map<string, Measured>();
  return {
    get: (key) => Promise.resolve(rows.get(key) ?? null),
    put(key, measured) {
      rows.set(key, measured);
      return Promise.resolve();
    },
    forget(key) {
      rows.delete(key);
      return Promise.resolve();
    },
  };
}

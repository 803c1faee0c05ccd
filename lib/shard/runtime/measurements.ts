import * as z from 'zod/mini';
import type { Measured } from '#lib/shard/stage/host-protocol.ts';
import type { MeasurementStore } from './platform.ts';

const times = z.tuple([z.number(), z.number(), z.number()]);
const measuredSchema = z.strictObject({ layerMs: times, headMs: times });

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
  };
}

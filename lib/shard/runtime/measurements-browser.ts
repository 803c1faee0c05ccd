import { Dexie, type EntityTable } from 'dexie';
import { readMeasured } from './measurements.ts';
import type { Measured, MeasurementStore } from './platform.ts';

interface Row {
  readonly key: string;
  readonly measured: Measured;
}

/**
 * Measurements of this profile, seen by all its tabs. A browser that stores nothing measures at
 * each visit: that takes a second and is no reason to refuse a volunteer.
 */
export function dexieMeasurements(name = 'declai-node'): MeasurementStore {
  const database = new Dexie(name) as Dexie & { measurements: EntityTable<Row, 'key'> };
  database.version(1).stores({ measurements: 'key' });
  return {
    async get(key) {
      const row = await database.measurements.get(key).catch(() => undefined);
      return readMeasured(row?.measured);
    },
    async put(key, measured) {
      await database.measurements.put({ key, measured }).catch(() => undefined);
    },
    async forget(key) {
      await database.measurements.delete(key).catch(() => undefined);
    },
  };
}

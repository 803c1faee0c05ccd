import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '#lib/shard/package/store/fs-files.ts';
import { readMeasured } from './measurements.ts';
import type { MeasurementStore } from './platform.ts';

/** Measurements of this machine, in one small JSON file of the volunteer's data folder. */
export function fileMeasurements(path: string): MeasurementStore {
  const read = async (): Promise<Record<string, unknown>> => {
    try {
      const json = JSON.parse(await readFile(path, 'utf8')) as unknown;
      return typeof json === 'object' && json !== null ? { ...json } : {};
    } catch {
      return {}; // Missing or spoiled: it is measured again.
    }
  };
  return {
    get: async (key) => readMeasured((await read())[key]),
    async put(key, measured) {
      await writeFileAtomic(path, JSON.stringify({ ...(await read()), [key]: measured }));
    },
    async forget(key) {
      const others = Object.entries(await read()).filter(([other]) => other !== key);
      await writeFileAtomic(path, JSON.stringify(Object.fromEntries(others)));
    },
  };
}

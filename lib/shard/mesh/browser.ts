import { Dexie, type EntityTable } from 'dexie';
import { FaultError } from '#lib/kernel/errors.ts';
import { SEED_BYTES, type KeyStore } from './identity.ts';

interface KeyRow {
  readonly name: string;
  readonly seed: Uint8Array;
}

const PROFILE = 'profile';

/** The profile's identity in this origin's IndexedDB: one for all its tabs (M1). */
export function dexieKeyStore(): KeyStore {
  const database = new Dexie('declai-keys') as Dexie & { keys: EntityTable<KeyRow, 'name'> };
  database.version(1).stores({ keys: 'name' });
  return {
    // One transaction: of several new tabs the first one's key is everybody's.
    loadOrSave: (fresh) =>
      database.transaction('rw', database.keys, async () => {
        const row = await database.keys.get(PROFILE);
        if (row?.seed.length === SEED_BYTES) return row.seed;
        if (row) throw new FaultError('wire/malformed', 'the stored identity is damaged');
        await database.keys.add({ name: PROFILE, seed: fresh });
        return fresh;
      }),
  };
}

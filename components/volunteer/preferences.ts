import { Dexie, type EntityTable } from 'dexie';
import { GIB, MIB } from '#lib/kernel/units.ts';
import { createCell, type Readable } from '#components/ui/cell.ts';

/** What a volunteer has allowed, kept for this profile of the browser. */
export interface Preferences {
  /** Start by itself after a reload of a page that was contributing. */
  readonly startAfterReload: boolean;
  /** Null: what suits the device. */
  readonly memoryLentBytes: number | null;
  /** How much of the processor is lent, 0 to 1; and threads, null: as many as that allows. */
  readonly power: number;
  readonly threads: number | null;
  readonly keepAwake: boolean;
  /** Links go through the server, so that other volunteers do not see this machine's address. */
  readonly relayOnly: boolean;
}

/** Nothing is allowed that was not ticked. */
export const DEFAULT_PREFERENCES: Preferences = {
  startAfterReload: false,
  memoryLentBytes: null,
  power: 0.5,
  threads: null,
  keepAwake: false,
  relayOnly: false,
};

export const MEMORY_CHOICES = [
  { name: '256 MB', bytes: 256 * MIB },
  { name: '512 MB', bytes: 512 * MIB },
  { name: '1 GB', bytes: GIB },
  { name: '2 GB', bytes: 2 * GIB },
  { name: '4 GB', bytes: 4 * GIB },
] as const;

export interface PreferenceStore extends Readable<Preferences> {
  /** Resolves when the kept ones are read; with the defaults where this browser keeps nothing. */
  load(): Promise<Preferences>;
  change(part: Partial<Preferences>): void;
}

const KEY = 'volunteer';

export function openPreferences(name = 'declai-volunteer-page'): PreferenceStore {
  const db = new Dexie(name) as Dexie & {
    preferences: EntityTable<{ key: string; value: Preferences }, 'key'>;
  };
  db.version(1).stores({ preferences: 'key' });
  const cell = createCell(DEFAULT_PREFERENCES);
  return {
    subscribe: cell.subscribe,
    getSnapshot: cell.getSnapshot,
    async load() {
      const row = await db.preferences.get(KEY).catch(() => undefined);
      cell.set({ ...DEFAULT_PREFERENCES, ...row?.value });
      return cell.getSnapshot();
    },
    change(part) {
      cell.set({ ...cell.getSnapshot(), ...part });
      // Where nothing can be kept the choice holds for this page.
      void db.preferences.put({ key: KEY, value: cell.getSnapshot() }).catch(() => undefined);
    },
  };
}

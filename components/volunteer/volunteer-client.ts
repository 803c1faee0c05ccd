import { toFault } from '#lib/kernel/errors.ts';
import type { EngineWish } from '#lib/webgpu/capability/choose-engine.ts';
import {
  VOLUNTEER_OFF,
  type CreateVolunteer,
  type Volunteer,
  type VolunteerOptions,
  type VolunteerSnapshot,
} from '#lib/shard/runtime/volunteer-port.ts';
import { createCell, type Readable } from '#components/ui/cell.ts';
import type { PreferenceStore } from './preferences.ts';

/** What the client needs of the browser. */
export interface VolunteerWorld {
  readonly preferences: PreferenceStore;
  readonly tab: TabMemory;
  /** Fetches the runtime's script. */
  loadRuntime(): Promise<CreateVolunteer>;
  serverUrl(): string;
  /** What the page's address asks to compute with. */
  engineWish(): EngineWish;
}

/** Whether this tab was contributing when it was reloaded. */
export interface TabMemory {
  wasContributing(): boolean;
  remember(contributing: boolean): void;
}

/** The page's hold on its node; outlives every move between places. */
export interface VolunteerClient extends Readable<VolunteerSnapshot> {
  readonly preferences: PreferenceStore;
  /** Call once, in the browser: goes on after a reload where the person has allowed that. */
  open(): void;
  /** The click: only now is the runtime fetched, and anything computed, connected or loaded. */
  readonly start: () => void;
  readonly pause: () => void;
  readonly resume: () => void;
  readonly finish: () => void;
  readonly stop: () => void;
  /** `pagehide`: leaves the network at once, so that answers go on elsewhere (V2). */
  leave(): void;
}

export function createVolunteerClient(world: VolunteerWorld): VolunteerClient {
  const snapshot = createCell(VOLUNTEER_OFF);
  let volunteer: Volunteer | null = null;
  /** Counts starts and stops, so that a runtime which arrives after Stop stays off. */
  let intent = 0;

  const begin = async (mine: number): Promise<void> => {
    try {
      const create = await world.loadRuntime();
      if (mine !== intent) return;
      const created = create(optionsOf(world));
      volunteer = created;
      created.subscribe(() => {
        if (volunteer === created) snapshot.set(created.getSnapshot());
      });
      created.start();
      snapshot.set(created.getSnapshot());
    } catch (error) {
      // The script did not come: offline, or a page older than its server.
      const fault = toFault(error, 'package/fetch-failed').toWire();
      if (mine === intent) snapshot.set({ ...VOLUNTEER_OFF, phase: 'lost', fault });
    }
  };

  const start = (): void => {
    const { phase } = snapshot.getSnapshot();
    if (phase !== 'off' && phase !== 'lost') return;
    intent += 1;
    world.tab.remember(true);
    // A new node each time: what it lends may have been changed while it was off.
    volunteer?.stop();
    volunteer = null;
    snapshot.set({ ...VOLUNTEER_OFF, phase: 'joining' });
    void begin(intent);
  };

  return {
    preferences: world.preferences,
    subscribe: snapshot.subscribe,
    getSnapshot: snapshot.getSnapshot,
    open() {
      void world.preferences.load().then(({ startAfterReload }) => {
        if (startAfterReload && world.tab.wasContributing()) start();
      });
    },
    start,
    pause: () => volunteer?.pause(),
    resume: () => volunteer?.resume(),
    finish() {
      world.tab.remember(false);
      volunteer?.finish();
    },
    stop() {
      intent += 1;
      world.tab.remember(false);
      if (volunteer) volunteer.stop();
      else snapshot.set(VOLUNTEER_OFF);
    },
    leave: () => volunteer?.stop(),
  };
}

function optionsOf(world: VolunteerWorld): VolunteerOptions {
  const { memoryLentBytes, power, threads, ...rest } = world.preferences.getSnapshot();
  const { keepAwake, relayOnly } = rest;
  const computing = { engine: world.engineWish(), memoryLentBytes, power, threads };
  return { serverUrl: world.serverUrl(), ...computing, keepAwake, relayOnly };
}

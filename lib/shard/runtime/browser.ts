import { FaultError } from '#lib/kernel/errors.ts';
import { GIB } from '#lib/kernel/units.ts';
import { findGpu } from '#lib/webgpu/gpu/find-gpu.ts';
import { dexieKeyStore } from '#lib/shard/mesh/browser.ts';
import { loadIdentity, newNodeKeys } from '#lib/shard/mesh/identity.ts';
import { deviceName } from './device-name.ts';
import { NODE } from './limits.ts';
import { dexieMeasurements } from './measurements-browser.ts';
import { NodeRuntime } from './node-runtime.ts';
import type { NodePlatform, WorkerHandle } from './platform.ts';
import { holdPresence } from './presence.ts';
import type { CreateVolunteer } from './volunteer-port.ts';

/** The node of a tab. Nothing is opened, connected or computed before `start()`. */
export const createVolunteer: CreateVolunteer = (options) =>
  new NodeRuntime(tabPlatform(options.keepAwake), options);

const tabPlatform = (keepAwake: boolean): NodePlatform => ({
  kind: 'tab',
  device: deviceName(navigator.userAgent, navigator.hardwareConcurrency),
  findGpu,
  memoryLentBytes: memoryLentBytes(),
  cores: navigator.hardwareConcurrency,
  isolated: crossOriginIsolated,
  measurements: dexieMeasurements(),
  keys: tabKeys,
  storageBytes,
  startWorker,
  holdPresence: () => holdPresence(keepAwake),
  alone: measureAlone,
});

/** Tabs of one profile that join together would time each other's work. */
async function measureAlone<T>(work: () => Promise<T>): Promise<T> {
  return 'locks' in navigator ? await navigator.locks.request('declai-measure', work) : work();
}

/** M1: the profile's identity certifies a key that this tab makes and forgets with itself. */
async function tabKeys() {
  if (!isSecureContext) {
    const message = 'this page needs https (or localhost) to store weights and to compute';
    throw new FaultError('engine/unsupported', message);
  }
  return newNodeKeys(await loadIdentity(dexieKeyStore()));
}

/** `deviceMemory` is a coarse hint in GiB, absent outside Chromium. */
function memoryLentBytes(): number {
  const gib = 'deviceMemory' in navigator ? Number(navigator.deviceMemory) : 4;
  return Math.min(Math.max((gib * GIB) / 4, NODE.memoryLentMin), NODE.memoryLentMax);
}

async function storageBytes(): Promise<number> {
  const estimate = await navigator.storage.estimate().catch(() => null);
  return Math.max((estimate?.quota ?? 0) - (estimate?.usage ?? 0), 0);
}

function startWorker(): WorkerHandle {
  const worker = new Worker(new URL('../stage/worker-browser.ts', import.meta.url));
  return {
    postMessage: (message, transfer) => worker.postMessage(message, [...transfer]),
    onLost(listener) {
      worker.onerror = (event) => {
        event.preventDefault();
        const message = event.message || 'the worker could not start';
        listener(new FaultError('engine/lost', message).toWire());
      };
    },
    terminate: () => worker.terminate(),
  };
}

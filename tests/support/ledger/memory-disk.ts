import type { Disk, DiskFile } from '#lib/ledger/store/disk.ts';
import type { Random } from '#lib/kernel/random.ts';

/** The power went: nothing after it reaches the disk. */
export class PowerCut extends Error {}

interface Write {
  readonly at: number;
  readonly bytes: Uint8Array;
}

interface File {
  /** What the disk surely has. */
  synced: Uint8Array;
  unsynced: Write[];
}

const SECTOR_BYTES = 512;

/** A disk whose power can be cut at any operation: of what was not synced, any sectors may be there. */
export class MemoryDisk implements Disk {
  readonly files = new Map<string, File>();
  /** Operations done; the power goes before the one with this number. */
  operations = 0;
  cutAt = Infinity;

  async list(): Promise<string[]> {
    return await this.#done(() => [...this.files.keys()].sort(), 'reads');
  }

  async read(name: string): Promise<Uint8Array | null> {
    return await this.#done(() => this.bytesOf(name), 'reads');
  }

  async create(name: string, bytes: Uint8Array): Promise<void> {
    await this.#done(() => this.files.set(name, { synced: bytes.slice(), unsynced: [] }));
  }

  async remove(name: string): Promise<void> {
    await this.#done(() => this.files.delete(name));
  }

  async open(name: string): Promise<DiskFile> {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no file ${name}`);
    return await this.#done(
      () => ({
        write: async (bytes: Uint8Array, at: number) => {
          await this.#done(() => file.unsynced.push({ at, bytes: bytes.slice() }));
        },
        sync: async () => {
          await this.#done(() => {
            file.synced = merged(file.synced, file.unsynced);
            file.unsynced = [];
          });
        },
        close: () => Promise.resolve(),
      }),
      'reads',
    );
  }

  /** As a running system sees it. */
  bytesOf(name: string): Uint8Array | null {
    const file = this.files.get(name);
    return file === undefined ? null : merged(file.synced, file.unsynced);
  }

  /** What is there when the power is back. */
  afterCut(random: Random): MemoryDisk {
    const disk = new MemoryDisk();
    for (const [name, { synced, unsynced }] of this.files) {
      const kept = unsynced
        .flatMap(({ at, bytes }) => sectorsOf(at, bytes))
        .filter(() => random.chance(0.5));
      disk.files.set(name, { synced: merged(synced, kept), unsynced: [] });
    }
    return disk;
  }

  async #done<T>(work: () => T, kind: 'reads' | 'writes' = 'writes'): Promise<T> {
    await Promise.resolve();
    if (this.operations >= this.cutAt) throw new PowerCut('the power was cut');
    if (kind === 'writes') this.operations += 1;
    return work();
  }
}

function merged(bytes: Uint8Array, writes: readonly Write[]): Uint8Array {
  const length = Math.max(bytes.length, ...writes.map(({ at, bytes: each }) => at + each.length));
  const all = new Uint8Array(length);
  all.set(bytes);
  for (const write of writes) all.set(write.bytes, write.at);
  return all;
}

function sectorsOf(at: number, bytes: Uint8Array): Write[] {
  const sectors: Write[] = [];
  for (let done = 0; done < bytes.length;) {
    const room = SECTOR_BYTES - ((at + done) % SECTOR_BYTES);
    const part = bytes.subarray(done, done + room);
    sectors.push({ at: at + done, bytes: part });
    done += part.length;
  }
  return sectors;
}

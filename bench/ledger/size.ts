import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { atMost, type Bar } from '../result.ts';

const ACCOUNTS = 1_000_000;
const ENTRY = 'bench/ledger/million.ts';
const run = promisify(execFile);

export interface SizeReport {
  readonly figures: Readonly<Record<string, number>>;
  readonly bars: readonly Bar[];
}

interface Loaded {
  readonly bytes: number;
  readonly loadMs: number;
  readonly floorMs: number;
  readonly blockMs: number;
  readonly residentMib: number;
  readonly peakMib: number;
}

/** A state of a million accounts, made by one process and loaded by another. */
export async function size(): Promise<SizeReport> {
  const folder = await mkdtemp(join(tmpdir(), 'declai-million-'));
  const child = async (verb: string): Promise<string> => {
    const args = ['--max-old-space-size=4096', '--import', 'tsx', ENTRY];
    const { stdout } = await run(process.execPath, [
      ...args,
      verb,
      join(folder, 'state'),
      `${ACCOUNTS}`,
    ]);
    return stdout;
  };
  try {
    await child('make');
    const loaded = JSON.parse(await child('load')) as Loaded;
    return {
      figures: {
        'MB of a state of 10⁶ accounts': Math.round(loaded.bytes / 1e6),
        'ms to read and hash them': Math.round(loaded.floorMs),
        'ms a block of 64 holds over them': Number(loaded.blockMs.toPrecision(3)),
        'MiB at the peak of loading them': Math.round(loaded.peakMib),
      },
      bars: [
        atMost('a replica with 10⁶ accounts', loaded.residentMib / 1024, { max: 1.5, unit: 'GiB' }),
        atMost('loading them', loaded.loadMs / 1_000, { max: 30, unit: 's' }),
      ],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

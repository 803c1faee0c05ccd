import { readFileSync } from 'node:fs';
import { PlainTab } from '#tests/support/plain-tab.ts';

const SAMPLE_MS = 100;

/** Peak of anonymous and shared memory of a tab's renderer, sampled every 100 ms. */
export function watchMemory(tab: PlainTab): { stop: () => Promise<number> } {
  let peak = 0;
  const state = { running: true };
  const loop = (async () => {
    while (state.running) {
      peak = Math.max(peak, await largestRenderer(tab));
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  return {
    async stop() {
      state.running = false;
      await loop;
      return peak;
    },
  };
}

/** What a renderer takes that shows nothing. */
export async function blankTabBytes(): Promise<number> {
  const tab = await PlainTab.open('about:blank');
  try {
    return await largestRenderer(tab);
  } finally {
    await tab.end();
  }
}

/** The tab's renderer: beside it there may be a small one of the browser's own pages. */
async function largestRenderer(tab: PlainTab): Promise<number> {
  return Math.max(...(await tab.renderers()).map(pssBytes));
}

/** Pss_Anon + Pss_Shmem of /proc/PID/smaps_rollup. */
function pssBytes(pid: number): number {
  const text = readRollup(pid);
  const kib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return 1024 * (kib('Pss_Anon') + kib('Pss_Shmem'));
}

/** Empty where the process has ended since it was listed. */
function readRollup(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return '';
  }
}

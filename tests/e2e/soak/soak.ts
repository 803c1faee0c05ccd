import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '#lib/kernel/random.ts';
import { MIB } from '#lib/kernel/units.ts';
import { PlainTab } from '#tests/support/plain-tab.ts';
import { serving, TestServer } from '#tests/support/server.ts';
import {
  growthOf,
  isInWindow,
  readProcess,
  windowsOf,
  type Sample,
  type Watched,
} from './memory.ts';
import { newTally, readOn } from './readers.ts';
import type { SoakResult } from './report.ts';
import { Visitors } from './visitors.ts';

/** Of four tabs two stay from the beginning to the end: their processes can be compared. */
const [RESIDENTS, VISITORS] = [2, 2];
const READERS = 4;
const TURN_MS = 10_000;
/** How long links that closed may take to be gone. */
const [REST_MS, REST_COLLECTIONS] = [4_000, 3];
/** Of the server's log, where a process died that was to stay. */
const LAST_WORDS_CHARS = 6_000;
/** A collection of all garbage takes less. */
const COLLECT_MS = 500;

const PRELOAD = fileURLToPath(new URL('./collect-garbage.mjs', import.meta.url));

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  /** One line a minute, for whoever waits. */
  readonly say: (line: string) => void;
}

/** The product under what a long day brings: visitors that come and go, prompts always open. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const server = await TestServer.start(['--stages', '3'], undefined, {
    NODE_OPTIONS: `--import=${PRELOAD}`,
  });
  const random = seededRandom(options.seed);
  const visitors = new Visitors(server.url, random.fork());
  const residents: PlainTab[] = [];
  try {
    for (let i = 0; i < RESIDENTS; i += 1) {
      const tab = await PlainTab.open(`${server.url}/volunteer`);
      residents.push(tab);
      await tab.contribute();
    }
    return await soakCluster({ ...options, server, visitors, residents, random });
  } finally {
    await visitors.end();
    await Promise.all(residents.map((tab) => tab.end()));
    await server.stop();
  }
}

interface Cluster extends SoakOptions {
  readonly server: TestServer;
  readonly visitors: Visitors;
  readonly residents: readonly PlainTab[];
  readonly random: ReturnType<typeof seededRandom>;
}

async function soakCluster(cluster: Cluster): Promise<SoakResult> {
  const { minutes, server, visitors, random, say } = cluster;
  await nodesServe(server, RESIDENTS + 1);
  const windows = windowsOf(minutes);
  const watched = await watchedOf(cluster);
  const before = await handlesAtRest(watched);
  await visitors.arrive(VISITORS);
  await nodesServe(server, RESIDENTS + VISITORS + 1);
  const series = new Map(watched.map(({ name }) => [name, [] as Sample[]]));
  const dead = new Set<string>();
  const tally = newTally();
  const stop = new AbortController();
  const reading = Array.from({ length: READERS }, () =>
    readOn(server.url, { random: random.fork(), tally, stop: stop.signal }),
  );
  const startedAt = performance.now();
  for (let turn = 1; turn * TURN_MS <= windows.endMs; turn += 1) {
    await sleep(Math.max(startedAt + turn * TURN_MS - performance.now(), 0));
    const atMs = performance.now() - startedAt;
    const collect = isInWindow(atMs, windows);
    if (collect) await collectGarbage(watched);
    for (const process of watched)
      sampleInto(series.get(process.name) ?? [], process, { atMs, collect });
    for (const { name, pid } of watched) {
      if (isAlive(pid) || dead.has(name)) continue;
      dead.add(name);
      say(`${name} died; the server's last words:\n${server.log().slice(-LAST_WORDS_CHARS)}`);
    }
    if (turn % 6 === 0) say(`${turn / 6} min: ${tally.answers} answers; ${lastOf(series)}`);
    await visitors.turn();
  }
  stop.abort();
  await Promise.all(reading);
  await visitors.leave();
  await nodesServe(server, RESIDENTS + 1);
  const after = await handlesAtRest(watched);
  const processes = watched.map(({ name, judged }, i) => {
    const rest = { before: before[i] ?? 0, after: after[i] ?? 0 };
    return { name, judged, growth: growthOf(series.get(name) ?? [], windows, rest) };
  });
  return { minutes, tally, visits: visitors.counts, processes };
}

const nodesServe = (server: TestServer, count: number): Promise<unknown> =>
  server.until(`${count} nodes serve`, (status) => serving(status).length === count, 120_000);

/** Links that closed give their handles back within seconds, some only at the next collection. */
async function handlesAtRest(watched: readonly Watched[]): Promise<number[]> {
  for (let i = 0; i < REST_COLLECTIONS; i += 1) {
    await sleep(REST_MS);
    await collectGarbage(watched);
  }
  return watched.map(({ pid }) => (isAlive(pid) ? readProcess(pid).handles : Infinity));
}

async function watchedOf({ server, residents }: Cluster): Promise<Watched[]> {
  const node = { collects: true, judged: true };
  const watched: Watched[] = [
    { name: 'server', pid: server.pid, ...node },
    { name: 'Node volunteer', pid: server.volunteerPid(), ...node },
  ];
  for (const [i, tab] of residents.entries()) {
    const pids = await tab.renderers();
    // Chromium keeps a small renderer for its own pages beside the tab's.
    const pid = pids.sort((a, b) => readProcess(b).bytes - readProcess(a).bytes)[0] ?? 0;
    watched.push({ name: `tab ${i + 1}`, pid, collects: false, judged: true });
    const browser = { pid: await tab.browserPid(), collects: false, judged: false };
    watched.push({ name: `browser of tab ${i + 1}`, ...browser });
  }
  return watched;
}

async function collectGarbage(watched: readonly Watched[]): Promise<void> {
  for (const { pid, collects } of watched) {
    if (collects && isAlive(pid)) process.kill(pid, 'SIGUSR2');
  }
  await sleep(COLLECT_MS);
}

/** A process that is gone gives no more samples: it misses the last window. */
function sampleInto(
  samples: Sample[],
  { pid, collects }: Watched,
  { atMs, collect }: { readonly atMs: number; readonly collect: boolean },
): void {
  if (!isAlive(pid)) return;
  samples.push({ atMs, ...readProcess(pid), floor: collect || !collects });
}

function isAlive(pid: number): boolean {
  try {
    readProcess(pid);
    return true;
  } catch {
    return false;
  }
}

const lastOf = (series: ReadonlyMap<string, readonly Sample[]>): string =>
  [...series]
    .map(([name, samples]) => `${name} ${Math.round((samples.at(-1)?.bytes ?? 0) / MIB)} MiB`)
    .join(', ');

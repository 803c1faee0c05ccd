import { VolunteerTab, cpuMs } from './browser.ts';
import { ask, longestGapMs, type SeenAnswer } from './answer.ts';
import { TestServer } from './server.ts';

const LAYERS = 30;
/** A loss is followed by new links and by fetching the next take-over: then it must be still. */
const SETTLE_MS = 2_000;
const IDLE_WINDOW_MS = 5_000;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const WAYS = ['close', 'kill', 'stop'] as const;
export type Way = (typeof WAYS)[number];

export interface FailoverCase {
  /** Which place of the route is lost: 0 embeds, 2 samples. */
  readonly stage: 0 | 1 | 2;
  readonly way: Way;
  /** Tokens seen before the loss; `prefill`: while the prompt is being computed. */
  readonly at: number | 'prefill';
}

export interface FailoverResult extends FailoverCase {
  readonly equal: boolean;
  readonly error: string | null;
  readonly gapMs: number;
  /** Highest share of a core of a remaining renderer in the idle seconds after the answer. */
  readonly idleShare: number;
  /** Click to ready of the tab that came back. */
  readonly backMs: number;
}

/** A server without a built-in volunteer and three tabs, a browser process each. */
export class ThreeTabs {
  readonly server: TestServer;
  readonly tabs: VolunteerTab[];

  private constructor(server: TestServer, tabs: VolunteerTab[]) {
    this.server = server;
    this.tabs = tabs;
  }

  static async start({ relayOnly } = { relayOnly: false }): Promise<ThreeTabs> {
    const server = await TestServer.start(['--no-seed-volunteer', '--stages', '3']);
    const tabs: VolunteerTab[] = [];
    const cluster = new ThreeTabs(server, tabs);
    try {
      for (let i = 0; i < 3; i += 1) tabs.push(await VolunteerTab.open(server.url));
      if (relayOnly) for (const tab of tabs) await tab.page.getByLabel(/Hide this machine/).check();
      for (const tab of tabs) await tab.contribute();
      await cluster.whole();
      return cluster;
    } catch (error) {
      await cluster.end();
      throw error;
    }
  }

  /** Waits for a route of three different nodes with disjoint, complete ranges. */
  async whole(timeoutMs = 60_000): Promise<void> {
    await this.server.until(
      'a route of three tabs',
      (status) => status.routes.some((route) => isWhole(route.places)),
      timeoutMs,
    );
  }

  /** Waits until every tab has fetched what it would take over, and only waits for work. */
  async quiet(timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    const isQuiet = async (tab: VolunteerTab) => (await tab.snapshot()).reason === 'idle.no_demand';
    while (!(await Promise.all(this.tabs.map(isQuiet))).every(Boolean)) {
      if (performance.now() > deadline) throw new Error('the tabs are still loading');
      await sleep(50);
    }
  }

  /** The tab that holds a place of the current route. */
  async tabOf(stage: number): Promise<VolunteerTab> {
    const status = await this.server.status();
    const route = status.routes.find((candidate) => isWhole(candidate.places));
    const node = route?.places[stage]?.node;
    for (const tab of this.tabs) if ((await tab.nodeId()) === node) return tab;
    throw new Error(`no tab holds stage ${stage}: ${JSON.stringify(status.routes)}`);
  }

  async run(
    failover: FailoverCase,
    prompt: { ids: readonly number[]; expected: readonly number[] },
  ): Promise<FailoverResult> {
    await this.whole();
    const victim = await this.tabOf(failover.stage);
    await victim.rendererPid();
    const lose = (): void => void lossOf(victim, failover.way);
    if (failover.at === 'prefill') setTimeout(lose, 700);
    const seen = await ask(this.server.url, {
      promptIds: prompt.ids,
      maxTokens: prompt.expected.length,
      onToken: (count) => {
        if (count === failover.at) lose();
      },
    });
    const idleShare = await this.idleShare(victim);
    const backMs = await this.bringBack(victim, failover.way);
    return {
      ...failover,
      equal: JSON.stringify(seen.ids) === JSON.stringify(prompt.expected),
      error: seen.error?.message ?? null,
      gapMs: gapOf(failover, seen),
      idleShare,
      backMs,
    };
  }

  private async idleShare(victim: VolunteerTab): Promise<number> {
    const pids = await Promise.all(
      this.tabs.filter((tab) => tab !== victim).map((tab) => tab.rendererPid()),
    );
    await sleep(SETTLE_MS);
    const first = await busiestShare(pids);
    // What matters is that nothing spins on: housekeeping may fall into one window, not into two.
    return first <= 0.05 ? first : busiestShare(pids);
  }

  private async bringBack(victim: VolunteerTab, way: Way): Promise<number> {
    if (way === 'stop') await victim.signal('SIGKILL');
    await victim.reopen(this.server.url);
    const startedAt = performance.now();
    await victim.contribute();
    await victim.untilPhase(['ready', 'serving', 'spare']);
    return performance.now() - startedAt;
  }

  async end(): Promise<void> {
    await Promise.all(this.tabs.map((tab) => tab.end()));
    await this.server.stop();
  }
}

/** Highest share of a core of these processes over five seconds. */
async function busiestShare(pids: readonly number[]): Promise<number> {
  const before = pids.map(cpuMs);
  await sleep(IDLE_WINDOW_MS);
  return Math.max(...pids.map((pid, i) => (cpuMs(pid) - (before[i] ?? 0)) / IDLE_WINDOW_MS));
}

async function lossOf(victim: VolunteerTab, way: Way): Promise<void> {
  if (way === 'close') await victim.closePage();
  else await victim.signal(way === 'kill' ? 'SIGKILL' : 'SIGSTOP');
}

/** A loss in the prefill is waited out before the first token: that wait is the gap. */
function gapOf(failover: FailoverCase, seen: SeenAnswer): number {
  return failover.at === 'prefill' ? (seen.arrivals[0] ?? Infinity) : longestGapMs(seen);
}

export function isWhole(
  places: readonly { node: string; firstLayer: number; lastLayer: number }[],
): boolean {
  const nodes = new Set(places.map((place) => place.node));
  const joined = places.every(
    (place, i) => place.firstLayer === (i === 0 ? 0 : (places[i - 1]?.lastLayer ?? -2) + 1),
  );
  return (
    nodes.size === 3 && places.length === 3 && joined && places.at(-1)?.lastLayer === LAYERS - 1
  );
}

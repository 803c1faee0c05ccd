import { setTimeout as sleep } from 'node:timers/promises';
import { VolunteerTab, cpuMs } from './browser.ts';
import { ask, longestGapMs } from './answer.ts';
import { TestServer } from './server.ts';

const LAYERS = 30;
/** The last words of an answer are said by then. */
const SETTLE_MS = 500;
const IDLE_WINDOW_MS = 5_000;
/** Acceptance of a failover: the longest pause, what remaining tabs then use, click to ready. */
const BARS = { gapMs: 4_000, idleShare: 0.05, backMs: 3_000 } as const;
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
  /** Longest wait for a token; of a loss in the prefill, what it added to the first token's. */
  readonly gapMs: number;
  /** Highest share of a core of a remaining renderer in the idle seconds after the answer. */
  readonly idleShare: number;
  /** Click to ready of the tab that came back. */
  readonly backMs: number;
  /** The answer did go on over another route: the loss met it. */
  readonly moved: boolean;
}

export interface FailoverPrompt {
  readonly ids: readonly number[];
  readonly expected: readonly number[];
}

/** Every bar that a case missed, in words; empty where all is well. */
export function missed(result: FailoverResult): string[] {
  const { equal, error, gapMs, idleShare, backMs, moved } = result;
  return [
    ...(moved ? [] : ['no failover']),
    ...(error === null ? [] : [error]),
    ...(equal ? [] : ['other ids']),
    ...(gapMs <= BARS.gapMs ? [] : [`a gap of ${Math.round(gapMs)} ms`]),
    ...(idleShare <= BARS.idleShare ? [] : [`idle at ${(100 * idleShare).toFixed(1)} %`]),
    ...(backMs <= BARS.backMs ? [] : [`back in ${Math.round(backMs)} ms`]),
  ];
}

/** A server without a built-in volunteer and three tabs, a browser process each. */
export class ThreeTabs {
  readonly server: TestServer;
  readonly tabs: VolunteerTab[];
  /** First token of an undisturbed answer, by length of the prompt. */
  readonly #firstTokenMs = new Map<number, number>();

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

  /** The tab that holds a place of the current route. */
  async tabOf(stage: number): Promise<VolunteerTab> {
    const status = await this.server.status();
    const route = status.routes.find((candidate) => isWhole(candidate.places));
    const node = route?.places[stage]?.node;
    for (const tab of this.tabs) if ((await tab.nodeId()) === node) return tab;
    throw new Error(`no tab holds stage ${stage}: ${JSON.stringify(status.routes)}`);
  }

  async run(failover: FailoverCase, prompt: FailoverPrompt): Promise<FailoverResult> {
    await this.whole();
    const undisturbedMs = failover.at === 'prefill' ? await this.#undisturbed(prompt.ids) : 0;
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
    const [gap, firstMs] = [longestGapMs(seen), seen.arrivals[0] ?? Infinity];
    const idleShare = await this.idleShare(victim);
    const backMs = await this.bringBack(victim, failover.way);
    return {
      ...failover,
      equal: JSON.stringify(seen.ids) === JSON.stringify(prompt.expected),
      error: seen.error?.message ?? null,
      gapMs: failover.at === 'prefill' ? Math.max(gap, firstMs - undisturbedMs) : gap,
      idleShare,
      backMs,
      moved: seen.routes.length > 1,
    };
  }

  private async idleShare(victim: VolunteerTab): Promise<number> {
    const pids = await Promise.all(
      this.tabs.filter((tab) => tab !== victim).map((tab) => tab.rendererPid()),
    );
    await sleep(SETTLE_MS);
    const before = pids.map(cpuMs);
    await sleep(IDLE_WINDOW_MS);
    return Math.max(...pids.map((pid, i) => (cpuMs(pid) - (before[i] ?? 0)) / IDLE_WINDOW_MS));
  }

  /** Measured once: the wait that a loss in the prefill adds to. */
  async #undisturbed(promptIds: readonly number[]): Promise<number> {
    const known = this.#firstTokenMs.get(promptIds.length);
    if (known !== undefined) return known;
    const seen = await ask(this.server.url, { promptIds, maxTokens: 1 });
    const measured = seen.arrivals[0] ?? Infinity;
    this.#firstTokenMs.set(promptIds.length, measured);
    return measured;
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

async function lossOf(victim: VolunteerTab, way: Way): Promise<void> {
  if (way === 'close') await victim.closePage();
  else await victim.signal(way === 'kill' ? 'SIGKILL' : 'SIGSTOP');
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

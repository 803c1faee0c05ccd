import { TestServer } from '#tests/support/server.ts';
import { PlainTab } from '#tests/support/plain-tab.ts';

const QUIET_MS_MAX = 60_000;

/** A server and so many tabs that share the model, a browser process each. */
export class RingTabs {
  readonly server: TestServer;
  readonly tabs: PlainTab[] = [];
  readonly #count: number;

  private constructor(server: TestServer, count: number) {
    this.server = server;
    this.#count = count;
  }

  /** Each with nothing left to fetch. */
  static async start(count: number): Promise<RingTabs> {
    // What is timed here is a token's round: none is guessed.
    const server = await TestServer.start([
      ...['--no-seed-volunteer', '--no-drafts'],
      ...['--stages', String(count)],
    ]);
    const ring = new RingTabs(server, count);
    try {
      for (let i = 0; i < count; i += 1) ring.tabs.push(await ring.#open());
      for (const tab of ring.tabs) await tab.contribute();
      await ring.quiet();
      return ring;
    } catch (error) {
      await ring.end();
      throw error;
    }
  }

  get url(): string {
    return this.server.url;
  }

  /** Waits for a route of all tabs with none that loads or fetches ahead. */
  async quiet(): Promise<void> {
    await this.server.until('a route of all tabs', ({ routes }) =>
      routes.some(({ places }) => new Set(places.map(({ node }) => node)).size === this.#count),
    );
    const deadline = performance.now() + QUIET_MS_MAX;
    const isQuiet = async (tab: PlainTab) => (await tab.snapshot()).reason === 'idle.no_demand';
    while (!(await Promise.all(this.tabs.map(isQuiet))).every(Boolean)) {
      if (performance.now() > deadline) throw new Error('the tabs are still loading');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The tab that holds a place of the route. */
  async tabOf(stage: number): Promise<PlainTab> {
    const { routes } = await this.server.status();
    const route = routes.find(({ places }) => places.length === this.#count);
    for (const tab of this.tabs) {
      if ((await tab.snapshot()).nodeId === route?.places[stage]?.node) return tab;
    }
    throw new Error(`no tab holds stage ${stage}: ${JSON.stringify(routes)}`);
  }

  /** A stranger comes in the place of a tab that is gone. */
  async replace(lost: PlainTab): Promise<void> {
    await lost.end();
    const next = await this.#open();
    this.tabs[this.tabs.indexOf(lost)] = next;
    await next.contribute();
    await this.quiet();
  }

  async end(): Promise<void> {
    await Promise.all(this.tabs.map((tab) => tab.end()));
    await this.server.stop();
  }

  #open(): Promise<PlainTab> {
    return PlainTab.open(`${this.url}/volunteer`);
  }
}

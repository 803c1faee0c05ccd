import type { Random } from '#lib/kernel/random.ts';
import { PlainTab } from '#tests/support/plain-tab.ts';

/** How a tab leaves; each is as likely. */
const WAYS = ['close', 'stop', 'kill'] as const;

/** A tab that comes and goes in one browser profile. */
interface Visitor {
  readonly tab: PlainTab;
  isHere: boolean;
}

/** The tabs that do not stay: at each turn one of them leaves or comes back. */
export class Visitors {
  readonly counts = { joined: 0, close: 0, stop: 0, kill: 0 };
  readonly #url: string;
  readonly #random: Random;
  readonly #visitors: Visitor[] = [];

  constructor(serverUrl: string, random: Random) {
    this.#url = `${serverUrl}/volunteer`;
    this.#random = random;
  }

  async arrive(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) {
      const visitor = { tab: await PlainTab.open(this.#url), isHere: true };
      this.#visitors.push(visitor);
      await visitor.tab.contribute();
    }
  }

  async turn(): Promise<void> {
    const visitor = this.#random.pick(this.#visitors);
    const { tab } = visitor;
    visitor.isHere = !visitor.isHere;
    if (visitor.isHere) {
      await tab.reopen(this.#url);
      await tab.contribute();
      this.counts.joined += 1;
      return;
    }
    const way = this.#random.pick(WAYS);
    if (way === 'kill') for (const pid of await tab.renderers()) process.kill(pid, 'SIGKILL');
    else if (way === 'stop') await tab.click('Stop');
    await tab.close();
    this.counts[way] += 1;
  }

  /** All of them, for good. */
  async leave(): Promise<void> {
    for (const { tab, isHere } of this.#visitors) if (isHere) await tab.close();
  }

  async end(): Promise<void> {
    await Promise.all(this.#visitors.map(({ tab }) => tab.end()));
  }
}

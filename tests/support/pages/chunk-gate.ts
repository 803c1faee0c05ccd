import type { BrowserContext, Route } from 'playwright-core';

const MISSING = { status: 404, body: 'no such chunk' };

/** Stands between a profile's tabs and the chunks of the model, so that a load stands still. */
export class ChunkGate {
  #open = true;
  #broken = false;
  #held: Route[] = [];

  static async stand(context: BrowserContext): Promise<ChunkGate> {
    const gate = new ChunkGate();
    let seen = 0;
    await context.route(/\/[0-9a-f]{64}$/, async (route) => {
      seen += 1;
      if (gate.#broken) await route.fulfill(MISSING);
      // A few come, so that there is progress to be seen.
      else if (gate.#open || seen < 3) await route.continue();
      else gate.#held.push(route);
    });
    return gate;
  }

  hold(): void {
    this.#open = false;
  }

  /** What waits and what comes is not there: asking again is useless, so the load fails at once. */
  async break(): Promise<void> {
    this.#broken = true;
    await Promise.all(this.#held.splice(0).map((route) => route.fulfill(MISSING)));
  }

  mend(): void {
    this.#broken = false;
    this.#open = true;
  }
}

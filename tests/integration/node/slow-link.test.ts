import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HubEvent } from '#server/signaling/hub.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { SlowDoor } from '#tests/support/slow-door.ts';
import { SmallServer, untilPhase, type TestVolunteer } from '#tests/support/small-server.ts';

/** One row of SmolLM2-135M in fp32: no link that is faster than this in the time of a row narrows it. */
const ROW_BYTES = 4 * 576;
const SLOW_BYTES_PER_MS = 100;
const FAST_BYTES_PER_MS = 2_000;
const row = goldenRow('long300');
const SLOW = { timeout: 60_000 };

/** Two volunteers in a ring, one behind a line that is slow for its socket; all they say goes by the relay. */
class SlowRing {
  readonly server: SmallServer;
  readonly door: SlowDoor;
  #far: TestVolunteer;
  #since = 0;

  private constructor(server: SmallServer, door: SlowDoor) {
    this.server = server;
    this.door = door;
    server.volunteer('near');
    this.#far = this.#startFar();
  }

  static async start(change: Parameters<typeof SmallServer.start>[1]): Promise<SlowRing> {
    const server = await SmallServer.start(2, change);
    const door = await SlowDoor.open(server.url);
    door.bytesPerMs = SLOW_BYTES_PER_MS;
    const ring = new SlowRing(server, door);
    await server.whole(2);
    return ring;
  }

  /** With a new link, of which no trains are known. */
  async rejoin(): Promise<void> {
    this.#far.node.stop();
    await untilPhase(this.#far, ['off']);
    this.#since = this.server.heard.length;
    this.#far = this.#startFar();
    await this.server.whole(2);
  }

  #startFar(): TestVolunteer {
    return this.server.volunteer('far', { serverUrl: this.door.url, relayOnly: true });
  }

  /** Until both ends say that their link carries so much. */
  async told(isRight: (bytesPerMs: number) => boolean): Promise<void> {
    await vi.waitFor(
      () => {
        const rates = ratesOf(this.server.heard.slice(this.#since));
        expect([rates.length, rates.every(isRight)], rates.join()).toEqual([2, true]);
      },
      { timeout: 20_000, interval: 100 },
    );
  }

  /** How the rows of one answer travelled, their bytes through the server each, and its ids. */
  async ask(maxTokens: number, prompt: readonly number[] = row.promptIds.slice(0, 96)) {
    const { server } = this;
    const before = server.hub.relayedBytes();
    const since = performance.now();
    const ids = await server.ask(prompt, maxTokens);
    const ms = performance.now() - since;
    const wire = server.prepared.at(-1)?.wireDtype;
    const bytes = (server.hub.relayedBytes() - before) / (prompt.length + maxTokens);
    process.stderr.write(`${wire}: ${bytes.toFixed(0)} bytes a row, ${ms.toFixed(0)} ms\n`);
    return { ids, wire, bytes };
  }

  async end(): Promise<void> {
    await this.server.end();
    this.door.close();
  }
}

/** What each node last said of its one link. */
function ratesOf(heard: readonly HubEvent[]): number[] {
  const last = new Map<string, number>();
  for (const event of heard) {
    if (event.type !== 'message' || event.message.type !== 'load') continue;
    const [rate] = event.message.linkRates;
    if (rate) last.set(event.node, rate.bytesPerMs);
    else last.delete(event.node);
  }
  return [...last.values()];
}

describe('[S9] a node behind a slow line', SLOW, () => {
  let ring: SlowRing;
  beforeAll(async () => {
    ring = await SlowRing.start({ wireDtype: 'measured' });
  }, SLOW.timeout);
  afterAll(() => ring.end());

  it('is sent narrow rows of a long prompt, and whole ones once the line is fast', async () => {
    await ring.told((rate) => rate < 2 * SLOW_BYTES_PER_MS);
    const slow = await ring.ask(4);
    expect(slow.wire).toBe('int8');
    expect(slow.bytes).toBeLessThan(ROW_BYTES / 3);
    ring.door.bytesPerMs = Infinity;
    await ring.rejoin();
    await ring.told((rate) => rate > FAST_BYTES_PER_MS);
    const fast = await ring.ask(4);
    expect(fast.wire).toBe('f32');
    expect(fast.bytes).toBeGreaterThan(ROW_BYTES * 0.9);
    expect(slow.ids).toEqual(fast.ids);
  });
});

/** In `npm run test:full`: what is chosen there is a unit test's, too. */
const isFull = process.env['EVERY_ROW'] === '1';
describe.runIf(isFull)('[S9] a node behind a slow line, in exact numerics', SLOW, () => {
  let ring: SlowRing;
  beforeAll(async () => {
    ring = await SlowRing.start({ wireDtype: 'measured', numerics: 'exact' });
  }, SLOW.timeout);
  afterAll(() => ring.end());

  it('[V1] is sent whole rows, whatever they take, and is not lost by it', async () => {
    await ring.told((rate) => rate < 2 * SLOW_BYTES_PER_MS);
    // Chunks of as many rows as a place computes in 250 ms would keep heartbeats waiting for seconds.
    const { wire, bytes } = await ring.ask(2, row.promptIds);
    expect(wire).toBe('f32');
    expect(bytes).toBeGreaterThan(ROW_BYTES * 0.9);
    expect(ring.server.failovers).not.toContainEqual(
      expect.objectContaining({ event: 'node-lost' }),
    );
  });
});

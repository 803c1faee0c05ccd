import { describe, expect, it } from 'vitest';
import { KIB, instantMs, type InstantMs } from '#lib/kernel/units.ts';
import { CreditChannel } from '#lib/shard/mesh/credit-channel.ts';
import { drainRate, lookAtDrain, NO_RATE } from '#lib/shard/mesh/drain-rate.ts';
import { MESH } from '#lib/shard/mesh/limits.ts';

const at = (ms: number): InstantMs => instantMs(ms);

describe('[S9] how fast a link is', () => {
  /** Looks of [sent, on the way, ms]. */
  const rateOf = (looks: readonly (readonly [number, number, number])[]) =>
    looks.reduce(
      (rate, [sent, waiting, ms]) => lookAtDrain(rate, { sent, waiting }, at(ms)),
      NO_RATE,
    );
  const steady = (count: number) =>
    Array.from({ length: count }, (_, i) => [(i + 4) * 100 * KIB, 300 * KIB, i * 100] as const);

  it('is what arrived while something was on the way all along, once that was seen often enough', () => {
    expect(drainRate(rateOf(steady(3)), at(300))).toBeNull();
    expect(drainRate(rateOf(steady(4)), at(400))).toBe(KIB);
  });

  it('is the fastest of the latest: a reader that computes gives its credit late', () => {
    const quicker = [...steady(4), [900 * KIB, 300 * KIB, 310] as const];
    expect(drainRate(rateOf(quicker), at(400))).toBe(20 * KIB);
    const long = [...quicker, ...steady(20).map(([s, w, ms]) => [s + 9e6, w, ms + 400] as const)];
    expect(drainRate(rateOf(long), at(3_000))).toBe(KIB);
  });

  it('is not known of one that runs dry in between, whatever its users take', () => {
    const looks = steady(9).flatMap(([sent, waiting, ms]) => [
      [sent, waiting, ms] as const,
      [sent, MESH.creditEveryBytes - 1, ms + 90] as const,
    ]);
    expect(drainRate(rateOf(looks), at(900))).toBeNull();
  });

  it('is not known for ever', () => {
    const rate = rateOf(steady(6));
    expect(drainRate(rate, at(MESH.rateKeptMs))).toBe(KIB);
    expect(drainRate(rate, at(MESH.rateKeptMs + 501))).toBeNull();
  });

  it('is seen by what is sent and credited', () => {
    let now = 0;
    const carrier = { data: () => undefined, credit: () => undefined, end: () => undefined };
    const channel = new CreditChannel(carrier, { manual: false }, { now: () => at(now) });
    for (let i = 0; i < 40; i += 1) {
      while (channel.bufferedBytes() < 200 * KIB) channel.send(new Uint8Array(32 * KIB));
      now += 32;
      channel.takeCredit(32 * KIB);
    }
    expect(channel.bytesPerMs()).toBe(KIB);
  });
});

import { describe, expect, it } from 'vitest';
import { instantMs, KIB } from '#lib/kernel/units.ts';
import { MESH } from '#lib/shard/mesh/limits.ts';
import { decodeLinkMessage, encodeLinkMessage } from '#lib/shard/mesh/link-message.ts';
import {
  carArrived,
  isTrainDue,
  NEW_SPEED,
  nextTrain,
  speedOf,
  trainTold,
  type Arriving,
  type Car,
  type LinkSpeed,
} from '#lib/shard/mesh/train.ts';

const at = (ms: number) => instantMs(ms);

/** One train a second from the first on; each told so many bytes a millisecond. */
function told(...rates: readonly number[]): LinkSpeed {
  return rates.reduce((speed, bytesPerMs, i) => {
    const { speed: sent } = nextTrain(speed, at(i * 1000));
    return trainTold(sent, { round: sent.round, bytesPerMs }, at(i * 1000 + 100));
  }, NEW_SPEED);
}

/** What is told of a train whose messages arrive then. */
function arriving(cars: readonly (readonly [Car, number])[]): (number | null)[] {
  let train: Arriving | null = null;
  return cars.map(([each, ms]) => {
    const next = carArrived(train, each, at(ms));
    train = next.train;
    return next.told;
  });
}
const car = (index: number, of = 8, round = 1): Car => ({ round, at: index, of });
const whole = (times: readonly number[]) =>
  arriving(times.map((ms, i) => [car(i, times.length), 5_000 + ms] as const));

describe('[S9] how fast a link is', () => {
  it('is told by how close together the messages of a train arrive, whatever the round trip', () => {
    const nothing = Array.from({ length: 7 }, () => null);
    expect(whole([0, 4, 8, 12, 16, 20, 24, 28])).toEqual([...nothing, KIB]);
    // Slow start: three, then a round trip, then the rest.
    expect(whole([0, 4, 8, 108, 112, 116, 120, 124]).at(-1)).toBe(KIB);
    // At once: no faster than a clock can tell.
    expect(whole([0, 0, 0, 0, 0, 0, 0, 0]).at(-1)).toBe((2 * MESH.trainCarBytes) / MESH.clockMs);
    const long = Array.from({ length: 16 }, (_, i) => 2 * i);
    expect(whole(long).at(-1)).toBe(2 * KIB);
  });

  it('is told by no train that is not whole', () => {
    const all = Array.from({ length: 8 }, (_, i) => car(i));
    const broken: (readonly Car[])[] = [
      all.slice(1),
      all.slice(0, -1),
      all.filter(({ at: index }) => index !== 3),
      [...all.slice(0, 7), car(7, 8, 2)],
      [...all.slice(0, 7), car(7, 9)],
    ];
    for (const cars of broken) {
      expect(arriving(cars.map((each, i) => [each, i])).every((each) => each === null)).toBe(true);
    }
  });

  it('is the second fastest of the latest: other work makes most trains longer, a queue one shorter', () => {
    expect(speedOf(told(1000, 900), at(3_000))).toBeNull();
    expect(speedOf(told(1000, 900, 50), at(4_000))).toBe(900);
    expect(speedOf(told(80, 90, 163_840, 100, 95), at(6_000))).toBe(100);
    const many = Array.from({ length: MESH.speedSamplesMax }, () => 80);
    expect(speedOf(told(5000, 5000, ...many), at(9_000))).toBe(80);
  });

  it('is not known for ever', () => {
    const speed = told(60, 80, 90, 100);
    expect(speedOf(speed, at(3_100 + MESH.speedKeptMs))).toBe(90);
    expect(speedOf(speed, at(3_101 + MESH.speedKeptMs))).toBeNull();
  });

  it('is asked a few times, then once a minute; a train that nobody answers is lost', () => {
    expect(isTrainDue(NEW_SPEED, at(0))).toBe(true);
    const { speed: sent } = nextTrain(NEW_SPEED, at(0));
    expect(isTrainDue(sent, at(MESH.trainLostMs - 1))).toBe(false);
    expect(isTrainDue(sent, at(MESH.trainLostMs))).toBe(true);
    // A peer at work is not sent one after the other.
    const waits: number[] = [];
    let unanswered = sent;
    for (let i = 0; i < 6; i += 1) {
      const since = unanswered.sentAt ?? at(0);
      let ms = 0;
      while (!isTrainDue(unanswered, at(since + ms))) ms += 1_000;
      waits.push(ms / 1_000);
      unanswered = nextTrain(unanswered, at(since + ms)).speed;
    }
    expect(waits).toEqual([5, 10, 20, 40, 60, 60]);
    const { round, sentAt } = unanswered;
    const heard = trainTold(unanswered, { round, bytesPerMs: 80 }, at((sentAt ?? 0) + 100));
    expect(isTrainDue(nextTrain(heard, at(1e6)).speed, at(1e6 + MESH.trainLostMs))).toBe(true);
    const known = told(...Array.from({ length: MESH.speedSamplesMax }, () => 80));
    expect(isTrainDue(told(80), at(1_200))).toBe(true);
    expect(isTrainDue(known, at(known.sampledAt + MESH.trainEveryMs - 1))).toBe(false);
    expect(isTrainDue(known, at(known.sampledAt + MESH.trainEveryMs))).toBe(true);
  });

  it('is asked by short trains until it is known not to be slow: pings wait behind them', () => {
    const carsAfter = (...rates: number[]) => nextTrain(told(...rates), at(1e6)).cars.length;
    expect(nextTrain(NEW_SPEED, at(0)).cars).toEqual(Array.from({ length: 8 }, (_, i) => car(i)));
    expect([carsAfter(50), carsAfter(5000), carsAfter(5000, 50)]).toEqual([8, 16, 8]);
  });

  it('is not told by who was not asked', () => {
    expect(trainTold(NEW_SPEED, { round: 1, bytesPerMs: 5 }, at(0))).toBe(NEW_SPEED);
    const { speed } = nextTrain(told(60, 80), at(2_000));
    expect(trainTold(speed, { round: 2, bytesPerMs: 5 }, at(2_001))).toBe(speed);
    const once = trainTold(speed, { round: 3, bytesPerMs: 5 }, at(2_001));
    expect(trainTold(once, { round: 3, bytesPerMs: 6 }, at(2_002))).toBe(once);
  });
});

describe('[M4] messages of a train', () => {
  it('come back as they were', () => {
    const one = { type: 'car', car: { round: 70_000, at: 3, of: 16 }, bytes: 4 * KIB } as const;
    expect(encodeLinkMessage(one)).toHaveLength(4 * KIB);
    expect(decodeLinkMessage(encodeLinkMessage(one))).toEqual(one);
    const word = { type: 'train', round: 70_000, bytesPerMs: 1234.5 } as const;
    expect(decodeLinkMessage(encodeLinkMessage(word))).toEqual(word);
  });

  it('are refused where they are none', () => {
    const made = (index: number, of: number, bytes = 16) =>
      decodeLinkMessage(encodeLinkMessage({ type: 'car', car: car(index, of), bytes }));
    expect([made(0, 7), made(0, 17), made(8, 8), made(0, 8, 4 * KIB + 1)]).toEqual([
      null,
      null,
      null,
      null,
    ]);
    const full = encodeLinkMessage({ type: 'car', car: car(0), bytes: 16 });
    expect(decodeLinkMessage(full)).not.toBeNull();
    full[15] = 1;
    expect(decodeLinkMessage(full)).toBeNull();
    for (const bytesPerMs of [0, -1, NaN, Infinity, 1e10]) {
      expect(
        decodeLinkMessage(encodeLinkMessage({ type: 'train', round: 1, bytesPerMs })),
      ).toBeNull();
    }
    expect(decodeLinkMessage(Uint8Array.of(5, 1, 0, 0, 0, 0))).toBeNull();
    expect(decodeLinkMessage(Uint8Array.of(6, 1, 0, 0, 0))).toBeNull();
  });
});

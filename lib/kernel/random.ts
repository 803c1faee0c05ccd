import { invariant } from './assert.ts';

/** A seeded source for simulators and tests: same seed, same values, on every machine. */
export interface Random {
  /** Uniform in [0, 2³²). */
  uint32(): number;
  /** Uniform in [0, 1), 32 bits. */
  unit(): number;
  /** Uniform integer in [0, bound), bound ≥ 1. */
  below(bound: number): number;
  /** True with probability `p`. */
  chance(p: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** A source of its own, so that one consumer's draws never shift another's. */
  fork(): Random;
}

/** sfc32 (Chris Doty-Humphrey's Small Fast Counter), warmed up by 12 rounds. */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = (seed / 2 ** 32) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const uint32 = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i += 1) uint32();
  const unit = () => uint32() / 2 ** 32;
  const below = (bound: number): number => {
    invariant(bound >= 1, 'below() needs a positive bound');
    return Math.floor(unit() * bound);
  };
  return {
    uint32,
    unit,
    below,
    chance: (p) => unit() < p,
    pick<T>(items: readonly T[]): T {
      invariant(items.length > 0, 'pick() needs an item');
      return items[below(items.length)] as T;
    },
    fork: () => seededRandom(uint32() * 2 ** 20 + (uint32() >>> 12)),
  };
}

import { createHash } from 'node:crypto';
import { toHex } from '#lib/kernel/bytes.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Body, BodyOf } from '#lib/ledger/account/codec/bodies.ts';
import { U64_MAX } from '#lib/ledger/account/codec/fields.ts';
import type { Execution } from '#lib/ledger/account/execute.ts';
import { bytes32, DAY, HOUR, OPERATORS, World, type Ask } from './world.ts';

const PEOPLE_A_DAY = 40;
const WORKERS = Array.from({ length: 12 }, (_, i) => `worker ${i}`);
const GATEWAYS = ['gateway', 'other gateway'];
const MINUTE = 60_000n;

interface Job {
  readonly holdId: Uint8Array;
  readonly gateway: string;
}

/** How many of each are remembered, to come again. */
const REMEMBERED = 300;

/**
 * Everything that people, workers, gateways and operators may ask for, right and wrong, from one seed:
 * small amounts that run out, limits that are met, holds that expire, ids that come again, days that
 * pass.
 */
export class Traffic {
  readonly world: World;
  readonly #random: Random;
  readonly #held: Job[] = [];
  readonly #captured: Job[] = [];
  readonly #sent: Uint8Array[] = [];

  constructor(seed: number, signer?: (name: string) => Signer) {
    this.#random = seededRandom(seed);
    this.world = new World({ checkpointInterval: 32n, logWindow: 64n }, signer);
  }

  /** A block of `count` transactions, some of them seen before, some time after the last one. */
  block(count: number): Execution {
    this.pause();
    return this.world.block(this.transactions(count));
  }

  /** Lets time pass to the next block; now and then a day. */
  pause(): void {
    this.world.timeMs += this.#pauseMs();
  }

  transactions(count: number): Uint8Array[] {
    const random = this.#random;
    return Array.from({ length: count }, () => {
      if (this.#sent.length > 0 && random.chance(0.03)) return random.pick(this.#sent);
      const bytes = this.world.sign(this.#withFaults(this.#ask()));
      this.#remember(this.#sent, bytes);
      return bytes;
    });
  }

  #pauseMs(): bigint {
    const random = this.#random;
    if (random.chance(0.02)) return DAY;
    if (random.chance(0.1)) return BigInt(random.below(3)) * HOUR;
    return BigInt(random.below(120_000));
  }

  #withFaults(ask: Ask): Ask {
    const random = this.#random;
    const { timeMs } = this.world;
    if (random.chance(0.02)) return { ...ask, by: this.#person() };
    if (random.chance(0.02)) return { ...ask, nonce: BigInt(random.below(50)) };
    if (random.chance(0.02)) return { ...ask, validUntilMs: timeMs - MINUTE };
    return ask;
  }

  #ask(): Ask {
    const random = this.#random;
    const { world } = this;
    const name = this.#person();
    switch (random.below(14)) {
      case 0:
      case 1:
        return {
          ...world.grant(this.#person(), this.#micro(3_000), world.timeMs + this.#ms(10n * DAY)),
          by: random.pick(GATEWAYS),
        };
      case 2:
      case 3:
      case 4:
        return this.#hold(random.chance(0.8) ? name : random.pick(WORKERS));
      case 5:
      case 6: {
        const job = this.#job(this.#held);
        this.#remember(this.#captured, job);
        return world.capture(job.holdId, this.#micro(250), this.#gatewayOf(job));
      }
      case 7: {
        const job = this.#job(this.#held);
        return world.void(job.holdId, this.#gatewayOf(job));
      }
      case 8:
      case 9:
      case 10:
        return this.#mint();
      case 11:
        return this.#keys(name);
      case 12:
        return this.#cluster();
      default:
        return random.chance(0.3)
          ? this.#change()
          : { by: name, body: this.#burn(random.chance(0.5) ? name : random.pick(WORKERS)) };
    }
  }

  #hold(name: string): Ask {
    const random = this.#random;
    const { world } = this;
    const fresh = world.holdId(`job ${random.uint32()}`);
    const holdId = random.chance(0.05) ? this.#job(this.#held).holdId : fresh;
    const gateway = random.pick(GATEWAYS);
    this.#remember(this.#held, { holdId, gateway });
    const ask = world.hold(holdId, name, {
      amountMicro: this.#micro(500),
      gateway: world.key(gateway),
      expiresAtMs: world.timeMs + MINUTE / 2n + this.#ms(2n * HOUR),
      cluster: random.chance(0.2) ? this.#clusterId() : null,
    });
    return random.chance(0.2)
      ? { ...ask, by: random.pick([...GATEWAYS, this.#person(), this.#person(), this.#person()]) }
      : ask;
  }

  #mint(): Ask {
    const random = this.#random;
    const workers = [
      ...new Set(Array.from({ length: 1 + random.below(4) }, () => random.pick(WORKERS))),
    ];
    const job = this.#job(this.#captured);
    const ask = this.world.mint(job.holdId, {
      chunk: BigInt(random.below(6)),
      segment: BigInt(random.below(2)),
      potMicro: BigInt(random.below(60)),
      subsidyMicro: BigInt(random.chance(0.3) ? random.below(50) : 0),
      shares: workers.map((worker) => ({
        worker: this.world.key(worker),
        flops: BigInt(1 + random.below(2 ** 32)) * 10n ** 5n,
      })),
    });
    return { ...ask, by: this.#gatewayOf(job) };
  }

  #keys(name: string): Ask {
    const random = this.#random;
    const account = this.world.id(name);
    const publicKey = this.world.key(
      random.pick([...GATEWAYS, this.#person(), this.#person(), this.#person()]),
    );
    const by = random.chance(0.8) ? name : this.#person();
    if (random.chance(0.3)) return { by, body: { type: 'revoke', account, publicKey } };
    const body: BodyOf<'delegate'> = {
      type: 'delegate',
      account,
      publicKey,
      scope: BigInt(1 + random.below(7)),
      dayLimitMicro: this.#micro(1_000),
      holdMaxMicro: this.#micro(600),
      expiresAtMs: random.chance(0.3) ? U64_MAX : this.world.timeMs + this.#ms(3n * DAY),
    };
    return { by, body };
  }

  #cluster(): Ask {
    const random = this.#random;
    const owner = random.pick(WORKERS);
    const account = this.world.id(owner);
    const cluster = this.#clusterId();
    if (random.chance(0.5)) {
      const amountMicro = this.#micro(60);
      return { by: owner, body: { type: 'fund-cluster', account, cluster, amountMicro } };
    }
    const member = this.world.id(this.#person());
    const dayLimitMicro = random.chance(0.2) ? 0n : this.#micro(300);
    return { by: owner, body: { type: 'cluster-member', account, cluster, member, dayLimitMicro } };
  }

  #change(): Ask {
    const random = this.#random;
    const { world } = this;
    const operators = random.chance(0.8) ? OPERATORS.slice(0, 3) : OPERATORS.slice(0, 2);
    const name = String(random.below(8));
    const by = random.pick(OPERATORS);
    const operatorKey = world.key(`operator ${name}`);
    const epoch = world.constitution.epoch;
    const keys = {
      voteKey: world.key(`vote ${name}`),
      transportKey: world.key(`transport ${name}`),
    };
    const possession = world.possession(`vote ${name}`, operatorKey);
    switch (random.below(4)) {
      case 0: {
        const address = bytes32(name);
        const more = { type: 'add-replica', operatorKey, ...keys, address, possession } as const;
        return { by, body: world.change<BodyOf<'add-replica'>>({ ...more, epoch }, operators) };
      }
      case 1: {
        const more = { type: 'remove-replica', operatorKey } as const;
        return { by, body: world.change<BodyOf<'remove-replica'>>(more, operators) };
      }
      case 2: {
        const burnPpm = BigInt(random.below(50_000));
        const parameters = { ...world.genesis.parameters, burnPpm };
        const more = { type: 'set-parameters', ...parameters } as const;
        return { by, body: world.change<BodyOf<'set-parameters'>>(more, operators) };
      }
      default: {
        const more = {
          type: 'register-gateway',
          publicKey: world.key(random.pick(GATEWAYS)),
          grantsPerDay: BigInt(random.below(60)),
          grantMicroMax: this.#micro(4_000),
          subsidyPerDayMicro: BigInt(random.below(2_000)),
        } as const;
        return { by, body: world.change<BodyOf<'register-gateway'>>(more, operators) };
      }
    }
  }

  #burn(name: string): Body {
    return { type: 'burn', account: this.world.id(name), amountMicro: this.#micro(50) };
  }

  /** A new set of people every ledger day: each has one grant only. */
  #person(): string {
    const day = this.world.timeMs / DAY;
    return `person ${this.#random.below(PEOPLE_A_DAY)} of ${day}`;
  }

  #job(jobs: readonly Job[]): Job {
    const random = this.#random;
    let job: Job = { holdId: new Uint8Array(16), gateway: 'gateway' };
    // Mostly one that is there: others were refused, or are long gone.
    for (let tries = 0; tries < 4 && jobs.length > 0; tries += 1) {
      job = random.pick(random.chance(0.8) ? jobs.slice(-30) : jobs);
      const kind = jobs === this.#held ? 'hold' : 'pot';
      if (this.world.get(kind, job.holdId) !== null) break;
    }
    return job;
  }

  #gatewayOf(job: Job): string {
    return this.#random.chance(0.95) ? job.gateway : this.#random.pick(GATEWAYS);
  }

  #remember<T>(list: T[], one: T): void {
    list.push(one);
    if (list.length > REMEMBERED) list.shift();
  }

  #clusterId(): Uint8Array {
    return bytes32(`cluster ${this.#random.below(6)}`);
  }

  #micro(most: number): bigint {
    return BigInt(1 + this.#random.below(most));
  }

  #ms(most: bigint): bigint {
    return BigInt(this.#random.below(Number(most)));
  }
}

/** What one run came to: its last root, and a digest of every root and result on the way. */
export interface RunDigest {
  readonly transactions: number;
  readonly stateRoot: string;
  readonly allRoots: string;
  readonly codes: Readonly<Record<string, number>>;
}

export function digestRun(traffic: Traffic, blocks: Iterable<Execution>): RunDigest {
  const hash = createHash('sha256');
  const codes: Record<string, number> = {};
  let transactions = 0;
  for (const { roots, results } of blocks) {
    hash.update(roots.stateRoot).update(roots.resultsRoot).update(roots.nextMembersHash);
    transactions += results.length;
    for (const { code } of results) codes[code] = (codes[code] ?? 0) + 1;
  }
  const stateRoot = toHex(traffic.world.state.trie.rootHash);
  return { transactions, stateRoot, allRoots: hash.digest('hex'), codes };
}

import { readFileSync } from 'node:fs';
import { must } from '#lib/kernel/assert.ts';
import type { Parameters } from '#lib/ledger/account/genesis.ts';
import { ChildReplica } from '#tests/support/ledger/child-replica.ts';
import { health, localNetwork, type LocalNetwork } from '#tests/support/ledger/local-network.ts';

/** As many as a genesis may name: each grants to its share of the accounts. */
export const GATEWAYS = Array.from({ length: 16 }, (_, i) => `gateway ${i}`);

/** Linux counts a process' time in hundredths of a second, whatever the kernel's own tick. */
const TICKS_PER_SECOND = 100;

/** Four replicas as processes of their own, and what they cost. */
export class Processes {
  readonly network: LocalNetwork;
  readonly #children: readonly ChildReplica[];

  private constructor(network: LocalNetwork, children: readonly ChildReplica[]) {
    this.network = network;
    this.#children = children;
  }

  static async start(parameters: Partial<Parameters> = {}): Promise<Processes> {
    const network = await localNetwork(4, parameters, { gateways: GATEWAYS });
    const children = network.configs.map((config) => new ChildReplica(config));
    await Promise.all(children.map((child) => child.start()));
    return new Processes(network, children);
  }

  get clientPorts(): number[] {
    return this.network.hosts.map(({ clients }) => clients.port);
  }

  /** Of all four, user and system. */
  cpuSeconds(): number {
    const ticks = this.#children.map(({ pid }) => {
      // The name before it is in brackets, and may hold spaces.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[11]) + Number(fields[12]);
    });
    return ticks.reduce((sum, each) => sum + each, 0) / TICKS_PER_SECOND;
  }

  /** MiB of each that lie in memory. */
  residentMib(): number[] {
    return this.#children.map(({ pid }) => {
      const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
      return Number(match?.[1]) / 1024;
    });
  }

  /** Blocks that a replica has executed. */
  executed = (index = 0): Promise<number> => this.#health('executed', index);

  epoch = (index = 0): Promise<number> => this.#health('epoch', index);

  async #health(name: string, index: number): Promise<number> {
    const now = await health(must(this.network.hosts[index], 'a host'));
    return Number(now?.[name] ?? 0);
  }

  child(index: number): ChildReplica {
    return must(this.#children[index], 'a replica');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
    await this.network.remove();
  }
}

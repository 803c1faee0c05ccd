import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { PortClient } from './port-client.ts';

/** How a transaction ended, by f + 1 replicas' equal word. */
export interface Outcome {
  readonly sequence: number;
  /** 0: it had its effect. */
  readonly code: number;
  readonly latencyMs: number;
}

const RETRY_MS = 150;

/** One connection to each replica, dialled again whenever it is lost. */
export class Endpoints {
  readonly #ports: readonly number[];
  readonly #clients = new Map<number, PortClient>();
  #isClosed = false;

  constructor(ports: readonly number[]) {
    this.#ports = ports;
    for (const port of ports) void this.#keep(port);
  }

  get all(): readonly number[] {
    return this.#ports;
  }

  at(port: number): PortClient | null {
    const client = this.#clients.get(port);
    return client?.isOpen === true ? client : null;
  }

  close(): void {
    this.#isClosed = true;
    for (const client of this.#clients.values()) client.close();
  }

  async #keep(port: number): Promise<void> {
    while (!this.#isClosed) {
      const client = await PortClient.connect(port);
      if (client !== null) {
        this.#clients.set(port, client);
        await client.closed();
      }
      await sleep(RETRY_MS / 2);
    }
  }
}

/** Sends to all, and again to who refused or was lost, until `enough` gave the same answer. */
export async function acknowledged(
  endpoints: Endpoints,
  transaction: Uint8Array,
  enough = 2,
): Promise<Outcome> {
  const startedAt = performance.now();
  const words = new Map<string, Set<number>>();
  const ends: Outcome[] = [];
  const insist = async (port: number): Promise<void> => {
    while (ends.length === 0) {
      const answer = await endpoints.at(port)?.ask({ type: 'submit', transaction });
      if (answer?.type !== 'executed') {
        await sleep(RETRY_MS);
        continue;
      }
      const { header, result } = answer;
      const word = `${toHex(headerHash(header, nodeSha256))}/${toHex(result)}`;
      const by = words.get(word) ?? new Set();
      words.set(word, by.add(port));
      if (by.size < enough) return;
      const sequence = Number(new DataView(result.buffer, result.byteOffset + 32).getBigUint64(0));
      ends.push({ sequence, code: result[40] ?? 255, latencyMs: performance.now() - startedAt });
      return;
    }
  };
  await new Promise<void>((resolve) => {
    for (const port of endpoints.all) void insist(port).then(() => ends.length > 0 && resolve());
  });
  return must(ends[0], 'an outcome');
}

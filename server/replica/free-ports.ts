import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { FaultError } from '#lib/kernel/errors.ts';

/** A port that is taken, or whose neighbours are, is tried again elsewhere. */
const TRIES = 64;
/**
 * Beyond well-known services, and below what systems hand out to connections (Linux from 32 768, others
 * from 49 152): else one of those, to anywhere, could have the port when its owner is started again.
 */
const PORTS = { first: 20_000, last: 32_767 } as const;

/**
 * Runs of `length` ports of 127.0.0.1 that are free now, each by its first; all are held until all are
 * known, so that no two are one.
 * @throws FaultError `server/port-in-use`
 */
export async function freePortRuns(count: number, length: number): Promise<number[]> {
  const held: Server[] = [];
  const firsts: number[] = [];
  try {
    for (let tries = 0; firsts.length < count; tries += 1) {
      if (tries === count + TRIES) {
        throw new FaultError('server/port-in-use', `no ${length} free ports in a row here`);
      }
      const first = randomInt(PORTS.first, PORTS.last - length + 2);
      if (await holdAll(first, length, held)) firsts.push(first);
    }
    return firsts;
  } finally {
    await Promise.all(held.map((server) => once(server.close(), 'close')));
  }
}

async function holdAll(first: number, length: number, held: Server[]): Promise<boolean> {
  for (let port = first; port < first + length; port += 1) {
    if (!(await hold(port, held))) return false;
  }
  return true;
}

/** False where it is taken. */
function hold(port: number, held: Server[]): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => {
      held.push(server);
      resolve(true);
    });
  });
}

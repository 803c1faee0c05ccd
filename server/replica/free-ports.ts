import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { FaultError } from '#lib/kernel/errors.ts';

/** A port whose neighbours are taken, too, is tried again elsewhere. */
const TRIES = 64;

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
      const first = await hold(0, held);
      if (first !== null && (await holdAfter(first, length - 1, held))) firsts.push(first);
    }
    return firsts;
  } finally {
    await Promise.all(held.map((server) => once(server.close(), 'close')));
  }
}

async function holdAfter(first: number, count: number, held: Server[]): Promise<boolean> {
  for (let port = first + 1; port <= first + count; port += 1) {
    if (port > 65_535 || (await hold(port, held)) === null) return false;
  }
  return true;
}

/** The port, or null where it is taken. @param port 0: any */
function hold(port: number, held: Server[]): Promise<number | null> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      held.push(server);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

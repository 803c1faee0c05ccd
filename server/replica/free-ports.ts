import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';

/** Ports of 127.0.0.1 that are free now; all are held until all are known, so that no two are one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { afterEach, describe, expect, it } from 'vitest';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { startNode } from '#tests/support/mesh-cluster.ts';

/** A server that is not ours, or not of our time: what a node says to it, and does not. */
describe('[M2] a node before a foreign server', () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
  });

  async function foreignServer(greet: (origin: string) => string) {
    const http = createServer();
    const io = new Server(http, { path: SIGNALING_PATH, transports: ['websocket'] });
    const heard: unknown[] = [];
    let connections = 0;
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    io.on('connection', (socket) => {
      connections += 1;
      socket.on('message', (...texts: unknown[]) => heard.push(...texts));
      socket.emit('message', greet(url));
    });
    const node = startNode(url);
    cleanups.push(
      () => node.mesh.stop(),
      () => void io.close(),
    );
    return { node, heard, connections: () => connections };
  }

  const challenge = (changes: object) =>
    JSON.stringify({
      type: 'challenge',
      nonce: '5'.repeat(64),
      protocol: WIRE.protocolVersion,
      model: null,
      iceServers: [],
      ...changes,
    });

  it('answers the challenge of the origin that it dialled', async () => {
    const { heard } = await foreignServer((origin) => challenge({ origin }));
    await expect.poll(() => heard).toHaveLength(1);
  });

  it.each([
    [
      'passes on another server’s challenge',
      'mesh/refused',
      () => challenge({ origin: 'http://127.0.0.1:1' }),
    ],
    [
      'speaks a newer protocol',
      'wire/version',
      (origin: string) => challenge({ origin, protocol: WIRE.protocolVersion + 1 }),
    ],
    [
      'speaks a newer protocol in other words',
      'wire/version',
      () => `{"type":"challenge","protocol":${WIRE.protocolVersion + 1}}`,
    ],
    ['speaks no protocol', 'wire/malformed', () => '{"type":"hi"}'],
  ])('one that %s hears nothing, and is left for good', async (_, code, greet) => {
    const { node, heard, connections } = await foreignServer(greet);
    await expect.poll(() => node.saw('goodbye')?.code).toBe(code);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect([heard.length, connections()]).toEqual([0, 1]);
  });
});

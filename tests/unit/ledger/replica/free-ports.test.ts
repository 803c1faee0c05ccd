import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { freePortRuns } from '#server/replica/free-ports.ts';

test('[X11] ports in a row, each once, all free, and none that a system hands out to connections', async () => {
  const firsts = await freePortRuns(16, 3);
  const all = firsts.flatMap((first) => [first, first + 1, first + 2]);
  expect(new Set(all).size).toBe(48);
  expect(Math.min(...all)).toBeGreaterThan(10_000);
  expect(Math.max(...all)).toBeLessThan(32_768);
  // Held until all were known, and let go then.
  for (const port of all) {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    await once(server.close(), 'close');
  }
});

import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { SIGNALING } from '#server/signaling/limits.ts';
import { ask } from '#tests/support/answer.ts';
import { openSilent } from '#tests/support/bad-peer/silent-sockets.ts';
import { ChildServer } from '#tests/support/child-server.ts';
import { goldenRow, type GoldenRow } from '#tests/support/golden.ts';

const SHORT = goldenRow('one');
const LONG = goldenRow('sky');

let server: ChildServer;
beforeAll(async () => {
  server = await ChildServer.start();
  await server.readyNode();
}, 60_000);
afterAll(() => server.end());

async function golden({ promptIds, greedyIds }: GoldenRow): Promise<void> {
  const seen = await ask(server.url, { promptIds, maxTokens: greedyIds.length });
  expect(seen.error).toBeNull();
  expect(seen.ids).toEqual(greedyIds);
}

it('[B3] a thousand sockets that say nothing are bounded, harm nobody, and are released after the hello’s deadline', async () => {
  await golden(SHORT);
  const before = server.holds();
  const port = Number(new URL(server.url).port);
  const opened = (
    await Promise.all(
      [700, 300].map((count, i) => openSilent(port, { localAddress: `127.0.0.${i + 2}`, count })),
    )
  ).flat();
  const { handles } = server.holds();
  // Of one address as many as may wait; the others of it heard why not.
  const refused = () => opened.filter(({ heard }) => heard().includes('mesh/limit')).length;
  const tooMany = 350 - SIGNALING.socketsPerAddressMax;
  await expect.poll(refused).toBe(tooMany);
  expect(handles - before.handles).toBeGreaterThan(900);
  const since = performance.now();
  await golden(LONG);
  await vi.waitFor(() => expect(opened.every(({ socket }) => socket.closed)).toBe(true), {
    timeout: 15_000,
  });
  expect(performance.now() - since).toBeLessThan(7_000);
  const late = opened.filter(({ heard }) => heard().includes('kernel/timeout'));
  expect([refused(), late.length]).toEqual([tooMany, 500 - tooMany]);
  await expect.poll(() => server.holds().handles).toBeLessThan(before.handles + 20);
  await golden(SHORT);
  expect(server.holds().residentMib - before.residentMib).toBeLessThan(48);
}, 60_000);

import { afterEach, expect, test, vi } from 'vitest';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSigner } from '#lib/ledger/crypto/server.ts';
import { selfSigned } from '#server/replica/transport/certificate.ts';
import { Links } from '#server/replica/transport/links.ts';

const open: Links[] = [];
afterEach(() => {
  for (const links of open.splice(0)) links.close();
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Two members of one list that hear each other, and how often each was told that the other answered. */
async function pair() {
  const members = await Promise.all(
    ['a', 'b'].map(async (id, i) => {
      const seed = new Uint8Array(32).fill(i + 1);
      const member = { answers: 0, frames: 0 };
      const links = new Links({
        ...{ identity: await selfSigned(seed), id, listen: { host: '127.0.0.1', port: 0 } },
        onFrame: () => {
          member.frames += 1;
          return 'used';
        },
        onAlive: () => (member.answers += 1),
      });
      open.push(links);
      await links.listen();
      return { member, links, id, transportKey: toHex(nodeSigner(seed).publicKey) };
    }),
  );
  const peers = members.map(({ id, transportKey, links }) => ({
    ...{ id, transportKey, address: { host: '127.0.0.1', port: links.port } },
  }));
  for (const { links } of members) links.setPeers(peers);
  const ready = (): boolean => members.every(({ member }) => member.answers > 0);
  while (!ready()) await pause(10);
  return members;
}

test(
  '[X7] a link that brings something is not asked whether it lives, a silent one is',
  { timeout: 20_000 },
  async () => {
    const members = await pair();
    const answers = (): number[] => members.map(({ member }) => member.answers);
    const before = answers();
    for (const startedAt = performance.now(); performance.now() - startedAt < 2_400;) {
      for (const { links } of members) links.send('all', new Uint8Array([9]));
      await pause(50);
    }
    const busy = answers();
    // Once at most, where this process had to wait for its turn: each second would be twice.
    for (const [i, count] of busy.entries())
      expect(count - (before[i] ?? 0)).toBeLessThanOrEqual(1);
    expect(members.every(({ member }) => member.frames > 1)).toBe(true);
    await vi.waitFor(
      () => {
        for (const [i, count] of answers().entries()) expect(count).toBeGreaterThan(busy[i] ?? 0);
      },
      { timeout: 10_000 },
    );
  },
);

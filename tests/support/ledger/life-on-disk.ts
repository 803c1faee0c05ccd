import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import type { StableEffect } from '#lib/ledger/store/queue.ts';
import { ReplicaStore, createReplicaFolder, type StoreOptions } from '#lib/ledger/store/server.ts';
import { counterApp } from '../counter-app.ts';
import type { Life } from './recorded-life.ts';

/** How a test opens the folder of the recorded replica. */
export const optionsFor = (life: Life, folder: string): StoreOptions => ({
  ...{ folder, chain: life.owner.chain, voteKey: life.owner.key, sha256: nodeSha256 },
  parts: (app) => counterApp.parts(app),
  isFirst: () => true,
});

/** Writes what the replica wrote, in the steps it did; `until` as many effects. */
export async function writeLife(
  life: Life,
  folder: string,
  until = life.written.length,
): Promise<{ readonly stored: number[] }> {
  const options = optionsFor(life, folder);
  await createReplicaFolder(options);
  const store = await ReplicaStore.open(options);
  const stored: number[] = [];
  store.listen({
    stored: (id) => stored.push(id),
    failed: (fault) => {
      throw fault;
    },
  });
  for (const [i, effect] of life.written.slice(0, until).entries()) {
    store.write(effect);
    const isStepOver = life.written[i + 1]?.type !== 'stable' && i % 3 === 0;
    if (isStepOver) await store.idle();
  }
  await store.idle();
  await store.close();
  return { stored };
}

export const lastStable = (life: Life): StableEffect | undefined =>
  life.written.findLast((effect) => effect.type === 'stable');

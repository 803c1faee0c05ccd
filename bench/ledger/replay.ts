import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '#lib/kernel/assert.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { chainOf, genesisState } from '#lib/ledger/account/genesis.ts';
import { ledgerApplication } from '#lib/ledger/application/application.ts';
import { nodeSha256, nodeSigner, serverVerifier } from '#lib/ledger/crypto/server.ts';
import { inspect } from '#lib/ledger/pbft/inspect.ts';
import { createReplica, stepReplica } from '#lib/ledger/pbft/replica.ts';
import type { Environment } from '#lib/ledger/pbft/types.ts';
import { ReplicaStore } from '#lib/ledger/store/server.ts';
import { loadConfig } from '#server/replica/config.ts';
import { atLeast, type Bar } from '../result.ts';
import { Crowd } from './crowd.ts';
import { Holders } from './holders.ts';
import { Processes } from './processes.ts';

const ACCOUNTS = 1_000;
const LIVE_MS = 4_000;
const OUTSTANDING = 600;
/** A log that is long when the run ends: no checkpoint cuts it. */
const PARAMETERS = { checkpointInterval: 512n, logWindow: 1_024n } as const;

export interface ReplayReport {
  readonly figures: Readonly<Record<string, number>>;
  readonly bars: readonly Bar[];
}

/** A replica's log read back after a run, slots a second, beside the slots a second that wrote it. */
export async function replay(): Promise<ReplayReport> {
  const processes = await Processes.start(PARAMETERS);
  const crowd = new Crowd(processes.clientPorts);
  try {
    await crowd.ready();
    const holders = new Holders(processes.network.chain, ACCOUNTS);
    let granted = 0;
    await crowd.keepBusy(OUTSTANDING, () =>
      granted < ACCOUNTS ? holders.grant((granted += 1) - 1) : null,
    );
    const [before, startedAt] = [await processes.executed(), performance.now()];
    let at = 0;
    await crowd.keepBusy(OUTSTANDING, () =>
      performance.now() - startedAt < LIVE_MS ? holders.hold((at += 1)) : null,
    );
    const seconds = (performance.now() - startedAt) / 1_000;
    const live = ((await processes.executed()) - before) / seconds;
    await processes.child(0).kill();
    const { slots, ms } = await readBack(must(processes.network.configs[0], 'a configuration'));
    const behindMs = await comesBack(processes);
    return {
      figures: {
        'blocks a second, live': Math.round(live),
        'slots in a log that is read back': slots,
        'ms to read it back': Math.round(ms),
        'ms from a restart to the height of the others': Math.round(behindMs),
      },
      bars: [atLeast('replay at restart', (slots * 1_000) / ms / live, { min: 5, unit: '× live' })],
    };
  } finally {
    crowd.close();
    await processes.stop();
  }
}

/** Opens the folder and gives all of it to the core, as a start does. */
async function readBack(configFile: string): Promise<{ slots: number; ms: number }> {
  const { genesis, keys, dataDir } = await loadConfig(configFile);
  const rules = { verify: serverVerifier(), sha256: nodeSha256 };
  const chain = chainOf(genesis, nodeSha256);
  const application = ledgerApplication({ ...rules, chain });
  const env: Environment = {
    ...{ ...rules, chain, application, genesis: genesisState(genesis, nodeSha256) },
    ...{ genesisTimeMs: Number(genesis.timeMs), signer: nodeSigner(keys.voteSeed) },
  };
  const startedAt = performance.now();
  const store = await ReplicaStore.open({
    ...{ folder: dataDir, chain, voteKey: env.signer.publicKey, sha256: nodeSha256 },
    ...{ parts: (app) => application.parts(app), isFirst: () => true },
  });
  const now = { atMs: instantMs(0), wallMs: Date.now() };
  const event = { type: 'restart', image: store.image } as const;
  const [state] = stepReplica(createReplica(env, now), event, now);
  const ms = performance.now() - startedAt;
  await store.close();
  return { slots: inspect(state).slots.length, ms };
}

/** Ms from the start of the process to the block that the others have. */
async function comesBack(processes: Processes): Promise<number> {
  const startedAt = performance.now();
  const started = processes.child(0).start();
  const height = await processes.executed(1);
  await started;
  while ((await processes.executed(0)) < height) await sleep(10);
  return performance.now() - startedAt;
}

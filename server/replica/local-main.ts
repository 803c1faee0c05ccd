import { toFault } from '#lib/kernel/errors.ts';
import { loadConfig } from './config.ts';
import { REPLICA_TIMES } from './limits.ts';
import { localLedger } from './local.ts';
import { adoptNextKeys } from './rekey.ts';
import { startReplica, type RunningReplica } from './replica.ts';

/** The four replicas of one machine in one process, until its parent ends or a signal comes. */
async function main(folder: string): Promise<void> {
  const replicas: RunningReplica[] = [];
  const stop = async (): Promise<void> => {
    setTimeout(() => process.exit(1), REPLICA_TIMES.stopMs).unref();
    await Promise.all(replicas.map((replica) => replica.close()));
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
    process.once(signal, () => void stop());
  }
  for (const config of await localLedger(folder)) {
    const loaded = await loadConfig(config);
    // With its new key it starts again, and so do the others: whoever started this process does that.
    const rotated = (): void => {
      adoptNextKeys(loaded.keysFile).then(() => process.exit(0), fail);
    };
    const replica = await startReplica(loaded, { failed: fail, rotated });
    replicas.push(replica);
    if (replica.amnesia !== null)
      process.stderr.write(`amnesia of ${config}: ${replica.amnesia}\n`);
  }
  process.stdout.write('ready\n');
}

function fail(error: unknown): void {
  const { code, message } = toFault(error, 'server/config');
  process.stderr.write(`${code}: ${message}\n`);
  process.exit(1);
}

main(process.argv[2] ?? '').catch(fail);

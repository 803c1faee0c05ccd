import { pathToFileURL } from 'node:url';
import { toFault } from '#lib/kernel/errors.ts';
import { loadConfig } from './config.ts';
import { REPLICA_TIMES } from './limits.ts';
import { prepareNewcomer } from './newcomer.ts';
import { HELP, parseReplicaOptions } from './options.ts';
import { adoptNextKeys, prepareRotation } from './rekey.ts';
import { startReplica, type RunningReplica } from './replica.ts';

/** `npm run replica`: one replica until a signal. Prints one `ready` line; what is wrong goes to stderr. */
export async function main(args: readonly string[]): Promise<void> {
  const options = parseReplicaOptions(args);
  if (options === null) {
    process.stdout.write(HELP);
  } else if (options.command === 'run') {
    await run(options.config);
  } else {
    const change =
      options.command === 'rekey'
        ? await prepareRotation(options.config, options.epoch)
        : await prepareNewcomer(options);
    process.stdout.write(`${JSON.stringify(change, null, 2)}\n`);
  }
}

async function run(configFile: string): Promise<void> {
  let replica = await start(configFile, rotate);
  const stop = (): void => void leave(replica);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.once('disconnect', stop);

  function rotate(): void {
    // After the step that told of it.
    setImmediate(() => {
      restart().catch(fail);
    });
  }

  async function restart(): Promise<void> {
    const { keysFile } = await loadConfig(configFile);
    await replica.close();
    await adoptNextKeys(keysFile);
    replica = await start(configFile, rotate);
  }
}

async function start(configFile: string, rotated: () => void): Promise<RunningReplica> {
  const config = await loadConfig(configFile);
  const replica = await startReplica(config, { failed: fail, rotated });
  const { replicas, clients, operator } = replica.ports;
  if (replica.amnesia !== null) process.stderr.write(`${amnesiaText(replica.amnesia)}\n`);
  process.stdout.write(`ready replicas=${replicas} clients=${clients} operator=${operator}\n`);
  return replica;
}

const amnesiaText = (why: string): string =>
  `This replica cannot know what its vote key has signed (${why}). It follows and never votes with this key: make a new one with "npm run replica -- rekey" and have its operators rotate it (docs/ledger-operator.md).`;

async function leave(replica: RunningReplica): Promise<void> {
  setTimeout(() => process.exit(1), REPLICA_TIMES.stopMs).unref();
  await replica.close();
  process.exit(0);
}

function fail(error: unknown): void {
  const { code, message } = toFault(error, 'server/config');
  process.stderr.write(`${code}: ${message}\n`);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(process.argv.slice(2)).catch(fail);
}

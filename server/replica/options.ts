import { resolve } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import { parseCommandLine } from '../command-line.ts';

export const HELP = `npm run replica -- --config FILE
npm run replica -- rekey --config FILE --epoch N

  --config FILE  replica.json of this replica, as "npm run ledger -- genesis" makes it
  --epoch N      the epoch in which the rotation is to be executed (/healthz shows it)
  --help         this text

Runs one replica of the credit ledger until Ctrl-C or SIGTERM. Prints "ready" with its ports.
rekey makes a new vote key beside the old one, and prints what its operators approve: the replica
takes it into use by itself when the rotation takes effect.
`;

export interface ReplicaOptions {
  readonly config: string;
  /** Makes a new vote key for a rotation in this epoch; null: runs the replica. */
  readonly rekeyEpoch: number | null;
}

/** `null` where `--help` was asked. @throws FaultError `server/config` with what to do. */
export function parseReplicaOptions(args: readonly string[]): ReplicaOptions | null {
  const { values, positionals } = parse(args);
  if (values.help === true) return null;
  if (values.config === undefined) {
    throw new FaultError('server/config', `--config FILE says which replica this is\n\n${HELP}`);
  }
  const config = resolve(values.config);
  const [command, ...rest] = positionals;
  if (command === undefined && values.epoch === undefined) return { config, rekeyEpoch: null };
  const epoch = Number(values.epoch);
  if (command === 'rekey' && rest.length === 0 && Number.isSafeInteger(epoch) && epoch >= 0) {
    return { config, rekeyEpoch: epoch };
  }
  throw new FaultError('server/config', `rekey needs --epoch N, and nothing else\n\n${HELP}`);
}

function parse(args: readonly string[]) {
  const options = {
    config: { type: 'string' },
    epoch: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  return parseCommandLine({ args: [...args], allowPositionals: true, options }, usage);
}

const usage = (why: string, cause: unknown): FaultError =>
  new FaultError('server/config', `${why}\n\n${HELP}`, { cause });

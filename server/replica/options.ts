import { resolve } from 'node:path';
import { fromHex } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { parseCommandLine } from '../command-line.ts';
import type { NewcomerOptions } from './newcomer.ts';
import { hostPort } from './transport/tls.ts';

export const HELP = `npm run replica -- --config FILE
npm run replica -s -- rekey --config FILE --epoch N
npm run replica -s -- new --genesis FILE --listen HOST:PORT --operator KEY --epoch N --out DIR [--lost]

  --config FILE       replica.json of this replica, as "npm run ledger -- genesis" or new makes it
  --epoch N           the epoch in which the change is to be executed (/healthz shows it)
  --genesis FILE      of the network that it is to be part of
  --listen HOST:PORT  where the others find it; clients come to the port after PORT, operators to the next
  --operator KEY      its operator's public key: "npm run ledger -- keygen" makes one
  --out DIR           the replica's folder, to be made
  --lost              a replica of this operator lost its keys, and gets these
  --help              this text

Runs one replica of the credit ledger until Ctrl-C or SIGTERM. Prints "ready" with its ports.
rekey makes a new vote key beside the old one, and prints what its operators approve: the replica
takes it into use by itself when the rotation takes effect.
new makes the folder of one more replica, and prints what the operators approve; the replica may run
before that, and takes part from then on. Both say the same again for another epoch.
`;

export type ReplicaOptions =
  | { readonly command: 'run'; readonly config: string }
  | { readonly command: 'rekey'; readonly config: string; readonly epoch: number }
  | ({ readonly command: 'new' } & NewcomerOptions);

const wrong = (what: string, cause?: unknown): FaultError =>
  new FaultError('server/config', `${what}\n\n${HELP}`, { cause });

/** `null` where `--help` was asked. @throws FaultError `server/config` with what to do. */
export function parseReplicaOptions(args: readonly string[]): ReplicaOptions | null {
  const { values, positionals } = parse(args);
  if (values.help === true) return null;
  const [command = 'run', ...rest] = positionals;
  const given = Object.keys(values);
  const only = (...names: readonly string[]): void => {
    const [more] = [...rest, ...given.filter((name) => !names.includes(name))];
    if (more !== undefined) throw wrong(`${command} takes no ${more}`);
  };
  switch (command) {
    case 'run':
      only('config');
      return { command, config: configOf(values.config) };
    case 'rekey':
      only('config', 'epoch');
      return { command, config: configOf(values.config), epoch: epochOf(values.epoch) };
    case 'new':
      only('genesis', 'listen', 'operator', 'epoch', 'out', 'lost');
      return { command, ...newcomerOf(values) };
    default:
      throw wrong(`there is no command ${command}`);
  }
}

function newcomerOf(values: ReturnType<typeof parse>['values']): NewcomerOptions {
  const { genesis, listen = '', operator = '', out, lost = false } = values;
  if (genesis === undefined || out === undefined) {
    throw wrong('new needs --genesis FILE and --out DIR');
  }
  const at = hostPort(listen);
  if (at === null) throw wrong(`--listen is HOST:PORT, not "${listen}"`);
  const operatorKey = operator.length === 64 ? fromHex(operator) : null;
  if (operatorKey === null) throw wrong(`--operator is 64 hex digits, not "${operator}"`);
  return {
    ...{ genesisFile: resolve(genesis), folder: resolve(out), at, operatorKey },
    ...{ epoch: epochOf(values.epoch), isLost: lost },
  };
}

function configOf(file: string | undefined): string {
  if (file === undefined) throw wrong('--config FILE says which replica this is');
  return resolve(file);
}

function epochOf(text = ''): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw wrong(`--epoch is a whole number, not "${text}"`);
}

function parse(args: readonly string[]) {
  const options = {
    config: { type: 'string' },
    epoch: { type: 'string' },
    genesis: { type: 'string' },
    listen: { type: 'string' },
    operator: { type: 'string' },
    out: { type: 'string' },
    lost: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  return parseCommandLine({ args: [...args], allowPositionals: true, options }, wrong);
}

import { fromHex } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { AMOUNT_MICRO_MAX } from '#lib/ledger/account/limits.ts';
import { parseCommandLine } from '../command-line.ts';

export const USAGE = `npm run ledger -- COMMAND [options]

Keys and networks
  keygen --out FILE               a new key; prints its public half and its account
      --key FILE                  of a key that there is already
  genesis --replicas HOST:PORT,…  keys, folders and genesis of a network, one host each (at least four);
      --out DIR                   clients come to the port after PORT, operators to the next
      --gateway KEY,…             public keys that may grant, capture and mint
      --name TEXT                 so that no two networks are one (default: ledger)
  fsck DIR [--repair]             reads a stopped replica's data folder, repairs what can be

Reading (every answer is proven)
  balance [ACCOUNT]               an account by its id; without one that of --key
  history [ACCOUNT]               its transactions, from block --from on, --count blocks
  blocks                          blocks from --from on, --count of them
      --out FILE                  as a transcript, for verify
  members                         replicas, epoch, parameters, and where each replica stands
  verify --from FILE|URL          a transcript, offline, by the genesis alone
  evidence [FILE]                 what a file of evidence shows, offline; without one what replicas hold
      --out DIR                   against each other, each piece written there

Acting (with --key)
  grant KEY MICRO                 starter credit for a new key, as a gateway; --for 30d
  hold MICRO --gateway KEY        set aside for one job; --account ID, --id HEX, --cluster ID, --for 1h
  capture HOLD MICRO              as the hold's gateway
  void HOLD                       as the hold's gateway
  approve FILE                    an operator's word for a change, added to its JSON: a type
                                  (add-replica, remove-replica, rotate-replica, register-gateway,
                                  revoke-gateway, set-parameters) and the fields of its body
  submit FILE                     an approved change as an operator, or a signed transaction's bytes

  --genesis FILE    the network's genesis (default: .data/ledger/genesis.cbor)
  --replicas LIST   HOST:PORT,… of client ports (default: the genesis' ports, each plus one)
  --key FILE        as keygen made it
  --timeout SECONDS for one command, or its next block (default: 10, at most 3600)
  --json            one JSON value on standard output: npm run ledger -s -- … for nothing else there
  --help            this text

Exit: 0 done, 1 failed or refused, 2 not understood. "ledger/outcome-unknown" is no failure: the same
command with the same --id says later what became of it.`;

export const COMMANDS = [
  'keygen',
  'genesis',
  'fsck',
  'balance',
  'history',
  'blocks',
  'members',
  'verify',
  'evidence',
  'grant',
  'hold',
  'capture',
  'void',
  'approve',
  'submit',
] as const;
export type Command = (typeof COMMANDS)[number];

export interface LedgerArgs {
  readonly command: Command;
  readonly operands: readonly string[];
  readonly values: ReturnType<typeof parse>['values'];
}

export const invalid = (message: string, cause?: unknown): FaultError =>
  new FaultError('request/invalid', message, { cause });

/** Operands of each command: the least and the most. */
const OPERANDS: Readonly<Record<Command, readonly [number, number]>> = {
  keygen: [0, 0],
  genesis: [0, 0],
  fsck: [1, 1],
  balance: [0, 1],
  history: [0, 1],
  blocks: [0, 0],
  members: [0, 0],
  verify: [0, 0],
  evidence: [0, 1],
  grant: [2, 2],
  hold: [1, 1],
  capture: [2, 2],
  void: [1, 1],
  approve: [1, 1],
  submit: [1, 1],
};

/** Null where help is asked for. @throws FaultError `request/invalid` with what is not understood */
export function parseLedgerArgs(argv: readonly string[]): LedgerArgs | null {
  const { values, positionals } = parse(argv);
  const [name, ...operands] = positionals;
  if (values.help === true || name === undefined) return null;
  const command = COMMANDS.find((each) => each === name);
  if (command === undefined) throw invalid(`there is no command ${name}`);
  const [least, most] = OPERANDS[command];
  if (operands.length < least) throw invalid(`${command} needs more: see --help`);
  if (operands.length > most) throw invalid(`too much: ${operands.slice(most).join(' ')}`);
  return { command, operands, values };
}

function parse(argv: readonly string[]) {
  const options = {
    genesis: { type: 'string', default: '.data/ledger/genesis.cbor' },
    replicas: { type: 'string' },
    key: { type: 'string' },
    out: { type: 'string' },
    name: { type: 'string', default: 'ledger' },
    gateway: { type: 'string' },
    from: { type: 'string' },
    count: { type: 'string' },
    account: { type: 'string' },
    cluster: { type: 'string' },
    id: { type: 'string' },
    for: { type: 'string' },
    timeout: { type: 'string', default: '10' },
    repair: { type: 'boolean' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  return parseCommandLine({ args: [...argv], allowPositionals: true, options }, invalid);
}

/** @throws FaultError request/invalid */
export function hexOf(text: string, bytes: number, what: string): Uint8Array {
  const read = text.length === 2 * bytes ? fromHex(text) : null;
  if (read === null) throw invalid(`${what} is ${2 * bytes} hex digits, not "${text}"`);
  return read;
}

/** @throws FaultError request/invalid */
export function microOf(text: string): bigint {
  const micro = /^\d{1,19}$/.test(text) ? BigInt(text) : 0n;
  if (micro < 1n || micro > AMOUNT_MICRO_MAX) {
    throw invalid(`an amount is a whole number of micro from 1 on, not "${text}"`);
  }
  return micro;
}

/** @throws FaultError request/invalid */
export function countOf(text: string, what: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  if (count < 0) throw invalid(`${what} is a whole number, not "${text}"`);
  return count;
}

const TIMEOUT_SECONDS_MAX = 3_600;

/** `--timeout` in milliseconds. @throws FaultError request/invalid */
export function timeoutOf(text: string): number {
  const seconds = countOf(text, '--timeout');
  if (seconds >= 1 && seconds <= TIMEOUT_SECONDS_MAX) return 1_000 * seconds;
  throw invalid(`--timeout is 1 to ${TIMEOUT_SECONDS_MAX} seconds, not ${seconds}`);
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `90s`, `5m`, `1h`, `30d` in milliseconds. @throws FaultError request/invalid */
export function durationOf(text: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const unit = match?.[2] as keyof typeof UNITS_MS | undefined;
  if (!match || unit === undefined)
    throw invalid(`a time is like 90s, 5m, 1h or 30d, not "${text}"`);
  return Number(match[1]) * UNITS_MS[unit];
}

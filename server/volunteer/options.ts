import { resolve } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import { MIB } from '#lib/kernel/units.ts';
import { THREADS } from '#lib/webgpu/capability/limits.ts';
import type { NodeVolunteerOptions } from '#lib/shard/runtime/server.ts';
import { parseCommandLine } from '../command-line.ts';

export const HELP = `npm run volunteer -- --join URL [options]

  --join URL      address of the server whose cluster this machine helps
  --data DIR      where identity and cached weights live (default .data/volunteer)
  --memory MB     memory to lend (default: a quarter of this machine's, 512 to 4096)
  --threads N     threads that compute, 1 to 16 (default: what is faster here; a core stays free)
  --relay-only    hide this machine's IP addresses: every link goes through the server
  --insecure      take a server whose certificate nobody signed (npm start -- --tls self)
  --help          this text

Runs until Ctrl-C or SIGTERM; answers that run here then go on elsewhere.
`;

/** `null` where `--help` was asked. @throws FaultError `server/config` with what to do. */
export function parseVolunteerOptions(args: readonly string[]): NodeVolunteerOptions | null {
  const values = parse(args);
  if (values.help === true) return null;
  return {
    serverUrl: serverOrigin(values.join),
    dataDir: resolve(values.data ?? '.data/volunteer'),
    memoryLentBytes: values.memory === undefined ? null : memoryBytes(values.memory),
    threads: values.threads === undefined ? null : threadCount(values.threads),
    relayOnly: values['relay-only'] === true,
    insecure: values.insecure === true,
  };
}

function parse(args: readonly string[]) {
  const options = {
    join: { type: 'string' },
    data: { type: 'string' },
    memory: { type: 'string' },
    threads: { type: 'string' },
    'relay-only': { type: 'boolean' },
    insecure: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  return parseCommandLine({ args: [...args], options }, usage).values;
}

const usage = (why: string, cause: unknown): FaultError =>
  new FaultError('server/config', `${why}\n\n${HELP}`, { cause });

/** A link to any page of the server will do: only its origin counts. */
function serverOrigin(link: string | undefined): string {
  if (link === undefined) {
    throw new FaultError('server/config', `--join URL says whom to help\n\n${HELP}`);
  }
  const url = URL.canParse(link) ? new URL(link) : null;
  if (url && (url.protocol === 'http:' || url.protocol === 'https:')) return url.origin;
  throw new FaultError('server/config', `--join "${link}" is not an http or https address`);
}

function threadCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= THREADS.max) return count;
  throw new FaultError('server/config', `--threads must be 1 to ${THREADS.max}; "${text}" is not`);
}

function memoryBytes(text: string): number {
  const megabytes = Number(text);
  if (Number.isInteger(megabytes) && megabytes >= 64 && megabytes <= 1 << 20) {
    return megabytes * MIB;
  }
  throw new FaultError('server/config', `--memory must be 64 to 1048576 (MB); "${text}" is not`);
}

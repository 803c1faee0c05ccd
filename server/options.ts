import { resolve } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import { MODEL_ID, type ModelId } from '#lib/kernel/ids.ts';
import { LOG_LEVELS, type LogLevel } from './operator/entries.ts';
import { parseCommandLine } from './command-line.ts';

export const HELP = `npm start -- [options]

  --port N              port to listen on (default: $PORT or 3000; 0 picks a free one)
  --host ADDRESS        address to listen on (default 127.0.0.1; other machines need --tls too)
  --tls CERT KEY        serve https with these PEM files
  --tls self            serve https with a certificate made and kept in the data folder
  --data DIR            where models, keys and caches live (default .data)
  --model ID            model to serve (default smollm2-135m-instruct)
  --stages N            split each route over at least N nodes while so many are there (default 1)
  --public-prompt FILE  a system prompt that is no secret: its computation is shared by everybody
  --no-drafts           guess no ids ahead, and tell no prompt to the last node of a route
  --no-narrow-wire      never have nodes send each other rounded values, however slow their links are
  --no-seed-volunteer   do not start the built-in volunteer
  --no-ledger           do not run the credit ledger's four replicas on this machine
  --log-level LEVEL     fatal, error, warn, info, debug, trace or silent (default info)
  --dev                 pages from Next's development server
  --help                this text
`;

export type TlsOption =
  | { readonly kind: 'off' | 'self' }
  | { readonly kind: 'files'; readonly cert: string; readonly key: string };

export interface ServerOptions {
  readonly port: number;
  readonly host: string;
  readonly tls: TlsOption;
  readonly dataDir: string;
  readonly model: ModelId;
  readonly minStages: number;
  /** File of a system prompt that everybody may know. */
  readonly publicPrompt: string | null;
  /** Whether ids may be guessed and tried out in one step; the last node is told the prompt then. */
  readonly drafts: boolean;
  /** Rows travel as narrow as their links need, by what those were measured to carry. */
  readonly narrowWire: boolean;
  readonly seedVolunteer: boolean;
  /** Four replicas of the credit ledger in a process beside this one. */
  readonly ledger: boolean;
  readonly logLevel: LogLevel;
  readonly dev: boolean;
}

/** `null` where `--help` was asked. @throws FaultError `server/config` with a sentence that says what to do. */
export function parseServerOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ServerOptions | null {
  const { values, positionals } = parse(args);
  if (values.help === true) return null;
  const tls = tlsOption(values.tls, positionals);
  const publicPrompt = values['public-prompt'];
  return {
    port: whole(values.port ?? env['PORT'] ?? '3000', { name: '--port', min: 0, max: 65_535 }),
    host: values.host ?? '127.0.0.1',
    tls,
    dataDir: resolve(values.data ?? '.data'),
    model: modelId(values.model ?? 'smollm2-135m-instruct'),
    minStages: whole(values.stages ?? '1', { name: '--stages', min: 1, max: 64 }),
    publicPrompt: publicPrompt === undefined ? null : resolve(publicPrompt),
    drafts: values['no-drafts'] !== true,
    narrowWire: values['no-narrow-wire'] !== true,
    seedVolunteer: values['no-seed-volunteer'] !== true,
    ledger: values['no-ledger'] !== true,
    logLevel: logLevel(values['log-level'] ?? 'info'),
    dev: values.dev === true,
  };
}

function parse(args: readonly string[]) {
  const options = {
    port: { type: 'string' },
    host: { type: 'string' },
    tls: { type: 'string' },
    data: { type: 'string' },
    model: { type: 'string' },
    stages: { type: 'string' },
    'public-prompt': { type: 'string' },
    'no-drafts': { type: 'boolean' },
    'no-narrow-wire': { type: 'boolean' },
    'no-seed-volunteer': { type: 'boolean' },
    'no-ledger': { type: 'boolean' },
    'log-level': { type: 'string' },
    dev: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  return parseCommandLine({ args: [...args], allowPositionals: true, options }, usage);
}

const usage = (why: string, cause: unknown): FaultError =>
  new FaultError('server/config', `${why}\n\n${HELP}`, { cause });

/** `--tls CERT KEY`: the key is the one positional that may stand. */
function tlsOption(tls: string | undefined, positionals: readonly string[]): TlsOption {
  const [key, ...rest] = positionals;
  const wantsKey = tls !== undefined && tls !== 'self';
  if (rest.length > 0 || (key !== undefined && !wantsKey)) {
    throw new FaultError('server/config', `unexpected argument ${rest[0] ?? key ?? ''}\n\n${HELP}`);
  }
  if (!wantsKey) return { kind: tls === 'self' ? 'self' : 'off' };
  if (key === undefined) {
    throw new FaultError(
      'server/config',
      '--tls needs a certificate and a key: --tls CERT KEY, or --tls self',
    );
  }
  return { kind: 'files', cert: resolve(tls), key: resolve(key) };
}

function whole(text: string, bounds: { name: string; min: number; max: number }): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value;
  throw new FaultError(
    'server/config',
    `${bounds.name} must be a whole number from ${bounds.min} to ${bounds.max}; "${text}" is not`,
  );
}

function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text);
  if (level) return level;
  throw new FaultError(
    'server/config',
    `--log-level must be one of ${LOG_LEVELS.join(', ')}; "${text}" is not`,
  );
}

function modelId(text: string): ModelId {
  if (MODEL_ID.test(text)) return text as ModelId;
  throw new FaultError(
    'server/config',
    `--model "${text}" is not a model's name (a-z, 0-9, . _ -)`,
  );
}

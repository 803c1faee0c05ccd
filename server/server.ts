import type { IncomingMessage, ServerResponse } from 'node:http';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FaultError } from '#lib/kernel/errors.ts';
import { KIB } from '#lib/kernel/units.ts';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';
import { createGateway } from './gateway/gateway.ts';
import { refuseUpgrades } from './gateway/http/connection.ts';
import { directoryOf } from './gateway/models/from-registry.ts';
import { LedgerBeside } from './ledger-beside.ts';
import { listen, makeHttpServer } from './listen.ts';
import { servePackageFile } from './models/http.ts';
import { ModelRegistry, type RegisteredModel } from './models/registry.ts';
import type { ServerOptions } from './options.ts';
import { Operator } from './operator/operator.ts';
import { boundedSink } from './operator/stdout-sink.ts';
import { createKnownAnswerChecker } from './orchestrator/known-answer-checker.ts';
import { createOrchestrator } from './orchestrator/orchestrator.ts';
import { preparePages } from './pages.ts';
import { startSeedVolunteer } from './seed-volunteer.ts';
import { attachHub } from './signaling/socket-hub.ts';
import { loadTls, ownAddresses, type TlsFiles } from './tls.ts';
import { untilAnswerable } from './until-answerable.ts';

const PUBLIC_MODELS = fileURLToPath(new URL('../public/models', import.meta.url));
/** Far beyond any context that is served. */
const PUBLIC_PROMPT_BYTES_MAX = 256 * KIB;
const NO_COVER =
  'The built-in volunteer does not hold the whole model: prompts are refused until tabs lend the rest (/volunteer).';

export interface RunningServer {
  readonly url: string;
  /** What the operator should know, a line each. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/** One process: pages, API, signaling and the orchestrator; the built-in volunteer beside it. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const operator = new Operator(options.logLevel, boundedSink(process.stdout));
  const tls = await loadTls(options.tls, options.dataDir);
  const registry = await ModelRegistry.open([join(options.dataDir, 'models'), PUBLIC_MODELS]);
  const model = modelOf(registry, options);
  const publicPrompt = options.publicPrompt && (await readPublicPrompt(options.publicPrompt));
  const pages = await preparePages(options);
  let handle = (_req: IncomingMessage, res: ServerResponse): void => void res.writeHead(503).end();
  const http = makeHttpServer(tls, (req, res) => {
    handle(req, res);
  });

  const hubPath = `${SIGNALING_PATH}/`;
  refuseUpgrades(http, options.dev ? [hubPath, '/_next/'] : [hubPath]);
  const hub = attachHub(http, {
    model: () => ({ id: model.manifest.id, hash: model.hash }),
    onGoodbye: operator.socketRefused,
  });
  const checker = createKnownAnswerChecker(model.folder);
  const orchestrator = createOrchestrator({
    ...{ hub, checker, log: operator.cluster },
    manifest: model.manifest,
    minStages: options.minStages,
    ...(!options.drafts && { draftsMax: 0 }),
    ...(options.narrowWire && { wireDtype: 'measured' }),
  });
  operator.watch(() => orchestrator.view());
  const models = directoryOf(registry, [model]);
  const ledger = options.ledger ? new LedgerBeside(options.dataDir) : null;
  const gateway = createGateway({
    ...{ answers: orchestrator, models, publicPrompt },
    report: operator.fault,
    observer: operator,
    ...(ledger && { ledger: ledger.access }),
  });
  handle = (req, res) => {
    if (servePackageFile(registry, req, res) || operator.serve(req, res)) return;
    if (gateway.handle(req, res)) return;
    void pages.handler(req, res);
  };

  const served = models.find(model.manifest.id);
  // The first prompt should not pay for the tokenizer; one that fails is tried again by a request.
  if (served) models.text(served).catch((error: unknown) => operator.fault(error, null));

  const port = await listen(http, options);
  const scheme = tls ? 'https' : 'http';
  const seed = options.seedVolunteer
    ? startSeedVolunteer({
        url: `${scheme}://${isOpenHost(options.host) ? '127.0.0.1' : options.host}:${port}`,
        dataDir: options.dataDir,
        insecure: options.tls.kind !== 'off',
        log: (line) => operator.write({ event: 'volunteer', line }),
      })
    : null;
  const answers = seed !== null && (await untilAnswerable(() => orchestrator.view()));
  operator.write({ event: 'started', model: model.manifest.id, hash: model.hash });
  // Last: nothing waits for it, and its start takes processor time from the first prompt.
  ledger?.start((line) => operator.write({ event: 'ledger', line }));

  return {
    url: `${scheme}://${isOpenHost(options.host) || options.host === '127.0.0.1' ? 'localhost' : options.host}:${port}`,
    notes: [...(seed && !answers ? [NO_COVER] : []), ...notesFor(options, { tls, port })],
    async close() {
      operator.write({ event: 'stopping' });
      // Nobody new; who is here is told before the sockets go (S13).
      http.close();
      await gateway.close();
      orchestrator.close();
      hub.close();
      checker.close();
      http.closeAllConnections();
      await Promise.all([seed?.stop(), ledger?.stop(), pages.close()]);
    },
  };
}

/** @throws FaultError `server/config` where there is no such text of a bearable size. */
async function readPublicPrompt(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= PUBLIC_PROMPT_BYTES_MAX) return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw new FaultError('server/config', `--public-prompt: cannot read ${path}`, { cause });
  }
  const limit = `${PUBLIC_PROMPT_BYTES_MAX / KIB} KiB`;
  throw new FaultError('server/config', `--public-prompt: ${path} is larger than ${limit}`);
}

function modelOf(registry: ModelRegistry, options: ServerOptions): RegisteredModel {
  const id: string = options.model;
  if (registry.has(id)) return registry.get(id);
  const have = registry.list().map(({ manifest }) => manifest.id);
  throw new FaultError(
    'server/config',
    `there is no model ${options.model} here (there is: ${have.join(', ') || 'none'}); ` +
      'bring one in with: npm run models -- import PATH --id ID',
  );
}

const isOpenHost = (host: string): boolean => host === '0.0.0.0' || host === '::';
const isLoopback = (host: string): boolean =>
  host === 'localhost' || host.startsWith('127.') || host === '::1';

function notesFor(options: ServerOptions, at: { tls: TlsFiles | null; port: number }): string[] {
  if (isLoopback(options.host)) return [];
  const addresses = isOpenHost(options.host)
    ? ownAddresses().filter((address) => !isLoopback(address))
    : [options.host];
  if (!at.tls) {
    return ['Other machines need https to contribute: start with --tls CERT KEY or --tls self.'];
  }
  return [
    ...addresses.map((address) => `other machines: https://${address}:${at.port}`),
    `certificate SHA-256 ${at.tls.fingerprint}`,
  ];
}

import { FaultError, isFault, toFault } from '#lib/kernel/errors.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { removePackage } from '#lib/shard/package/import/remove.ts';
import { parseModelArgs, USAGE, type ModelArgs } from './args.ts';
import { lossLines } from './loss-lines.ts';
import { progressPrinter } from './progress.ts';
import { ModelRegistry, type RegisteredModel } from './registry.ts';
import { isSound, verifyLine, verifyModel } from './verify.ts';

/** What a command prints: lines for people, or one JSON value with `--json`. */
interface Report {
  readonly lines: readonly string[];
  readonly json: unknown;
  readonly exitCode: number;
}

const EXIT = { ok: 0, fault: 1, usage: 2, interrupted: 130 } as const;

async function runImport(
  args: Extract<ModelArgs, { command: 'import' }>,
  signal: AbortSignal,
): Promise<Report> {
  const { path, id, root, quant, name, licence } = args;
  const onProgress = progressPrinter(process.stderr);
  const result = await importModel({ path, id, root, quant, name, licence, onProgress, signal });
  const { manifest, hash, isNew, losses } = result;
  const what = isNew ? 'imported' : 'already there, complete';
  return {
    lines: [`${manifest.id} ${what}: ${hash}`, ...lossLines(losses)],
    json: { id: manifest.id, hash, isNew, root, losses },
    exitCode: EXIT.ok,
  };
}

const sizeMb = ({ manifest }: RegisteredModel): string =>
  (manifest.parts.reduce((sum, part) => sum + part.bytes, 0) / 1e6).toFixed(1);

async function runList(roots: readonly string[]): Promise<Report> {
  const registry = await ModelRegistry.open(roots);
  const models = registry.list();
  const broken = registry.broken();
  return {
    lines: [
      ...models.map((model) => {
        const { id, shape, quantisation, licence } = model.manifest;
        const facts = [`${shape.layers} layers`, quantisation, `${sizeMb(model)} MB`, licence];
        return [id, ...facts, model.folder].join('  ');
      }),
      ...broken.map(({ folder, fault }) => `${folder}: ${fault.code}: ${fault.message}`),
    ],
    json: {
      models: models.map(({ manifest, hash, folder }) => ({
        id: manifest.id,
        name: manifest.name,
        licence: manifest.licence,
        quantisation: manifest.quantisation,
        layers: manifest.shape.layers,
        hash,
        folder,
      })),
      broken: broken.map(({ folder, fault }) => ({ folder, ...fault.toWire() })),
    },
    exitCode: broken.length === 0 ? EXIT.ok : EXIT.fault,
  };
}

async function runVerify(roots: readonly string[], id: string | undefined): Promise<Report> {
  const registry = await ModelRegistry.open(roots);
  const models = id === undefined ? registry.list() : [registry.get(id)];
  const results = [];
  for (const model of models) results.push(await verifyModel(model));
  const broken = id === undefined ? registry.broken() : [];
  return {
    lines: [
      ...results.map(verifyLine),
      ...broken.map(({ folder, fault }) => `${folder}: ${fault.code}: ${fault.message}`),
    ],
    json: { results, broken: broken.map(({ folder, fault }) => ({ folder, ...fault.toWire() })) },
    exitCode: results.every(isSound) && broken.length === 0 ? EXIT.ok : EXIT.fault,
  };
}

async function runCommand(args: ModelArgs, signal: AbortSignal): Promise<Report> {
  switch (args.command) {
    case 'help':
      return { lines: [USAGE], json: { usage: USAGE }, exitCode: EXIT.ok };
    case 'import':
      return runImport(args, signal);
    case 'list':
      return runList(args.roots);
    case 'verify':
      return runVerify(args.roots, args.id);
    case 'remove':
      await removePackage(args.root, args.id);
      return { lines: [`${args.id} removed`], json: { removed: args.id }, exitCode: EXIT.ok };
  }
}

function reportFault(error: unknown): Report {
  const fault = toFault(error, 'package/malformed');
  const exitCodes = new Map([
    ['request/invalid', EXIT.usage],
    ['kernel/aborted', EXIT.interrupted],
  ]);
  const hint = isFault(fault, 'request/invalid') ? ['', USAGE] : [];
  return {
    lines: [`${fault.code}: ${fault.message}`, ...hint],
    json: { error: fault.toWire() },
    exitCode: exitCodes.get(fault.code) ?? EXIT.fault,
  };
}

/** Names and licences come from files: a terminal must not obey what stands in them. */
const printable = (text: string): string => text.replace(/[^\P{Cc}\n]/gu, '\ufffd');

/** `npm run models -- …`: prints a report and sets the process's exit code. */
async function main(argv: readonly string[]): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      stop.abort(new FaultError('kernel/aborted', 'stopped on request'));
    });
  }
  const report = await Promise.resolve()
    .then(() => runCommand(parseModelArgs(argv), stop.signal))
    .catch(reportFault);
  const isJson = argv.includes('--json');
  const text = isJson ? JSON.stringify(report.json) : printable(report.lines.join('\n'));
  const out = report.exitCode === EXIT.ok || isJson ? process.stdout : process.stderr;
  if (text !== '') out.write(`${text}\n`);
  process.exitCode = report.exitCode;
}

await main(process.argv.slice(2));

import { join } from 'node:path';
import { FaultError } from '#lib/kernel/errors.ts';
import { MODEL_ID, type ModelId } from '#lib/kernel/ids.ts';
import { QUANTS, type Quant } from '#lib/shard/package/import/quant.ts';
import { parseCommandLine } from '../command-line.ts';

export const USAGE = `npm run models -- COMMAND [options]

  import PATH --id ID   convert a .gguf file or a Hugging Face folder into a package
      --quant KIND      keep | f32 | f16 | q8 | q4: how matrices are stored (default: keep,
                        as in the file; K-quants in the nearest format we have)
      --name NAME       for people (default: the id)
      --licence TEXT    as the model's card names it (default: what the file says)
  verify [ID]           hash every chunk and compute a step, of one package or of all
  list                  packages of this machine
  remove ID             delete a package

  --data DIR            data folder, packages are in DIR/models (default: .data)
  --out DIR             folder of packages, instead of DATA/models
  --json                one JSON value on standard output
  --help                this text

Exit: 0 done, 1 failed or found something wrong, 2 not understood, 130 interrupted.`;

export type ModelArgs =
  | { readonly command: 'help' }
  | {
      readonly command: 'import';
      readonly path: string;
      readonly id: ModelId;
      readonly root: string;
      readonly quant: Quant;
      readonly name: string | undefined;
      readonly licence: string | undefined;
    }
  | { readonly command: 'list'; readonly roots: readonly string[] }
  | { readonly command: 'verify'; readonly roots: readonly string[]; readonly id?: string }
  | { readonly command: 'remove'; readonly root: string; readonly id: ModelId };

/** The embedded model's folder in the clone. */
const PUBLIC_MODELS = join('public', 'models');

const invalid = (message: string, cause?: unknown): FaultError =>
  new FaultError('request/invalid', message, { cause });

/** @throws FaultError `request/invalid` with what is not understood. */
export function parseModelArgs(argv: readonly string[]): ModelArgs {
  const { values, positionals } = parse(argv);
  const [command, operand, ...extra] = positionals;
  if (values.help || command === undefined) return { command: 'help' };
  if (extra.length > 0) throw invalid(`too much: ${extra.join(' ')}`);
  const root = values.out ?? join(values.data, 'models');
  const roots = values.out === undefined ? [root, PUBLIC_MODELS] : [root];
  switch (command) {
    case 'import': {
      if (operand === undefined) throw invalid('import needs a PATH');
      const { name, licence } = values;
      const quant = quantOf(values.quant);
      return { command, path: operand, id: modelId(values.id), root, quant, name, licence };
    }
    case 'list':
      return { command, roots };
    case 'verify':
      return operand === undefined ? { command, roots } : { command, roots, id: operand };
    case 'remove':
      return { command, root, id: modelId(operand) };
    default:
      throw invalid(`there is no command ${command}`);
  }
}

function parse(argv: readonly string[]) {
  const options = {
    id: { type: 'string' },
    quant: { type: 'string', default: 'keep' },
    name: { type: 'string' },
    licence: { type: 'string' },
    data: { type: 'string', default: '.data' },
    out: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const;
  return parseCommandLine({ args: [...argv], allowPositionals: true, options }, invalid);
}

function quantOf(text: string): Quant {
  const quant = QUANTS.find((known) => known === text);
  if (quant) return quant;
  throw invalid(`--quant is one of ${QUANTS.join(', ')}`);
}

function modelId(text: string | undefined): ModelId {
  if (text !== undefined && MODEL_ID.test(text)) return text as ModelId;
  const rule = 'lower-case letters, digits, dot, dash and underscore, at most 64';
  throw invalid(`a model's id is needed: ${rule}`);
}

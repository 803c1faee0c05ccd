import { must } from '#lib/kernel/assert.ts';
import {
  LAYER_TENSORS,
  hasEmbedding,
  hasHead,
  type LayerRange,
  type ModelShape,
  type Numerics,
} from '../model.ts';
import type { Arena } from './arena.ts';
import { CPU_LIMITS } from './limits.ts';
import { headStride } from './page-memory.ts';

/** Fields of `Range` in `kernels/range.ts`, in its order: the contract between the two. */
const RANGE_FIELDS = [
  'layers',
  'hidden',
  'heads',
  'kvHeads',
  'headDim',
  'mlp',
  'int16',
  'rmsEps',
  'pagePositions',
  'scoreStride',
  'headStride',
  'tensors',
  'embedding',
  'finalNorm',
  'head',
  'step',
  'frequencies',
  'cos',
  'sin',
  'stream',
  'input',
  'input16',
  'scales',
  'sums',
  'q',
  'k',
  'v',
  'gate',
  'up',
  'delta',
  'scores',
  'unpacked',
  'logits',
] as const;

type RangeField = (typeof RANGE_FIELDS)[number];
type Addresses = Partial<Record<RangeField, number>>;

/** Words of a `Tensor` (type, rows, cols, data), of a `Segment` and of a `Step` struct. */
export const TENSOR_WORDS = 4;
export const SEGMENT_WORDS = 4;
const STEP_WORDS = 4;
/** Bytes of the words that threads share (`kernels/threads.ts`), and of a cache line. */
const CONTROL_BYTES = 512;
const LINE_BYTES = 128;

export interface LayoutOptions {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly numerics: Numerics;
  /** Most KV pages: as many entries have the page tables of one pass. */
  readonly pagesMax: number;
  readonly threads: number;
}

/** Where the shell finds what it writes and reads. Addresses are bytes. */
export interface Layout {
  /** The `Range` struct of each thread, the main one first. */
  readonly ranges: readonly number[];
  /** The words that threads share. */
  readonly control: number;
  /** Structs of the tensors: [layers × `LAYER_TENSORS`], then embedding, final norm, head (0 where absent). */
  readonly tensors: number;
  readonly embedding: number;
  readonly finalNorm: number;
  readonly head: number;
  readonly stream: number;
  readonly logits: number;
  /** Token ids of a pass; segment structs; page tables; row numbers for the head. */
  readonly ids: number;
  readonly segments: number;
  readonly pageTables: number;
  readonly headRows: number;
}

export const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Allocates structs and work space of a range, and writes its `Range` structs. */
export function layOut(arena: Arena, options: LayoutOptions): Layout {
  const { shape, range } = options;
  const layers = range.last - range.first + 1;
  const struct = () => arena.allocate(4 * TENSOR_WORDS);
  const own = {
    tensors: arena.allocate(4 * TENSOR_WORDS * LAYER_TENSORS.length * layers),
    embedding: hasEmbedding(range) ? struct() : 0,
    finalNorm: hasHead(shape, range) ? struct() : 0,
    head: hasHead(shape, range) ? struct() : 0,
    step: arena.allocate(4 * STEP_WORDS),
  };
  const work = workSpace(arena, options);
  const shared: Addresses = { ...numbersOf(options, layers), ...own, ...work };
  const ranges = Array.from({ length: options.threads }, () =>
    writeRange(arena, { ...shared, ...threadSpace(arena, options) }, shape.rmsEps),
  );
  const { passRowsMax, headRowsMax } = CPU_LIMITS;
  return {
    ...own,
    ranges,
    control: roundUp(arena.allocate(CONTROL_BYTES + LINE_BYTES), LINE_BYTES),
    stream: work.stream,
    logits: work.logits,
    ids: arena.allocate(4 * passRowsMax),
    segments: arena.allocate(4 * SEGMENT_WORDS * passRowsMax),
    pageTables: arena.allocate(4 * options.pagesMax),
    headRows: arena.allocate(4 * headRowsMax),
  };
}

function writeRange(arena: Arena, values: Addresses, rmsEps: number): number {
  const address = arena.allocate(4 * RANGE_FIELDS.length);
  const words = arena.wordsAt(address, RANGE_FIELDS.length);
  RANGE_FIELDS.forEach((field, i) => {
    words[i] = must(values[field], `the range's ${field} is known`);
  });
  arena.floatsAt(address, RANGE_FIELDS.length)[RANGE_FIELDS.indexOf('rmsEps')] = rmsEps;
  return address;
}

function numbersOf(options: LayoutOptions, layers: number): Addresses {
  const { shape, numerics } = options;
  const { hidden, heads, kvHeads, headDim, mlp, contextMax } = shape;
  return {
    ...{ layers, hidden, heads, kvHeads, headDim, mlp },
    int16: numerics === 'int16' ? 1 : 0,
    rmsEps: 0, // a float: written apart
    pagePositions: CPU_LIMITS.pagePositions,
    scoreStride: roundUp(contextMax, CPU_LIMITS.pagePositions),
    headStride: headStride(options),
  };
}

const widest = ({ hidden, heads, headDim, mlp }: ModelShape): number =>
  Math.max(hidden, heads * headDim, mlp);

/** Buffers that a pass writes. What a product writes has room for whole vectors (`product.ts`). */
function workSpace(arena: Arena, { shape, range }: LayoutOptions) {
  const { hidden, heads, kvHeads, headDim, mlp, vocab } = shape;
  const rows = CPU_LIMITS.passRowsMax;
  const cols = widest(shape);
  const floats = (count: number) => arena.allocate(4 * count);
  const outputs = (width: number) => floats(rows * roundUp(width, 4));
  return {
    frequencies: floats(headDim / 2),
    cos: floats((rows * headDim) / 2),
    sin: floats((rows * headDim) / 2),
    stream: floats(rows * hidden),
    input: floats(rows * cols),
    input16: arena.allocate(2 * rows * cols),
    scales: floats(rows * Math.ceil(cols / 32)),
    sums: floats(rows * Math.ceil(cols / 32)),
    q: outputs(heads * headDim),
    k: outputs(kvHeads * headDim),
    v: outputs(kvHeads * headDim),
    gate: outputs(mlp),
    up: outputs(mlp),
    delta: outputs(hidden),
    logits: hasHead(shape, range) ? floats(CPU_LIMITS.headRowsMax * roundUp(vocab, 4)) : 0,
  };
}

/** What each thread writes alone. */
function threadSpace(arena: Arena, { shape }: LayoutOptions) {
  const scoreRows = 4;
  const scores = arena.allocate(
    4 * scoreRows * roundUp(shape.contextMax, CPU_LIMITS.pagePositions),
  );
  const unpacked = arena.allocate(4 * Math.max(32 * 8, 4 * roundUp(widest(shape), 4)));
  return { scores, unpacked };
}

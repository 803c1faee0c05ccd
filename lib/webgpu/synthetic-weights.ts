import {
  BLOCK,
  type ModelShape,
  type PartKey,
  type StoredTensor,
  type TensorName,
  type TensorType,
  type WeightSource,
  tensorsOfPart,
} from './model.ts';
import { philox } from './sampling/philox.ts';
import { tensorSize } from './tensor-size.ts';

/** Random bytes are made once for this many and repeated: weights for timing need no more. */
const PATTERN_BYTES = 64 * 1024;

/**
 * Weights of a shape from a seed, equal on every machine: for self-checks and for measuring a
 * device before anything is downloaded. `typeOf` says the stored type of each matrix.
 */
export function syntheticWeights(
  shape: ModelShape,
  typeOf: (name: TensorName, key: PartKey) => TensorType,
): WeightSource {
  return {
    part(key) {
      const tensors = tensorsOfPart(shape, key).map((name, i): [TensorName, StoredTensor] => {
        const size = tensorSize(shape, name);
        const isNorm = name.endsWith('-norm');
        const type = isNorm || name.endsWith('-bias') ? 'F32' : typeOf(name, key);
        const bytes = randomTensor(type, { ...size, isNorm }, seedOf(key) + i);
        return [name, { type, ...size, bytes }];
      });
      return Promise.resolve(new Map(tensors));
    },
  };
}

const seedOf = (key: PartKey): number =>
  100 * (key.startsWith('layer/') ? Number(key.slice('layer/'.length)) : 100_000 + key.length);

/** Half-precision scale of a block and its minimum, if it has one: of a trained model's size. */
const SCALES = {
  Q8_0: [0x1000],
  Q4_0: [0x2000],
  Q4_1: [0x2000, 0xab80],
  Q5_0: [0x1c00],
  Q5_1: [0x1c00, 0xab80],
} as const;

function randomTensor(
  type: TensorType,
  { rows, cols, isNorm }: { rows: number; cols: number; isNorm: boolean },
  seed: number,
): Uint8Array {
  const { values, bytes: blockBytes } = BLOCK[type];
  const count = (rows * cols) / values;
  const bytes = randomBytes(Math.ceil((count * blockBytes) / 4) * 4, seed);
  if (type === 'F32') shapeFloats(bytes, isNorm);
  else if (type === 'F16' || type === 'BF16') shapeHalves(bytes, type);
  else shapeBlocks(bytes, { blockBytes, count, scales: SCALES[type] });
  return bytes.subarray(0, count * blockBytes);
}

function randomBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const pattern = Math.min(length, PATTERN_BYTES);
  const words = new Uint32Array(bytes.buffer, 0, Math.floor(pattern / 4));
  for (let i = 0; i < words.length; i += 4) {
    words.set(philox([i, 0, 0, 0], [seed, 0x77656967]).slice(0, words.length - i), i);
  }
  for (let at = pattern; at < length; at *= 2) bytes.copyWithin(at, 0, Math.min(at, length - at));
  return bytes;
}

/** Bits of ±(1 … 2) / 32, or of 1 … 2 for norm weights: no arithmetic, so no rounding. */
function shapeFloats(bytes: Uint8Array, isNorm: boolean): void {
  const words = new Uint32Array(bytes.buffer);
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? 0;
    words[i] = isNorm ? (word & 0x007fffff) | 0x3f800000 : (word & 0x807fffff) | 0x3d000000;
  }
}

/** Bits of ±(1 … 2) / 32. */
function shapeHalves(bytes: Uint8Array, type: 'F16' | 'BF16'): void {
  const [kept, exponent] = type === 'F16' ? [0x83ff, 0x2800] : [0x807f, 0x3d00];
  const halves = new Uint16Array(bytes.buffer);
  for (let i = 0; i < halves.length; i += 1) halves[i] = ((halves[i] ?? 0) & kept) | exponent;
}

function shapeBlocks(
  bytes: Uint8Array,
  { blockBytes, count, scales }: { blockBytes: number; count: number; scales: readonly number[] },
): void {
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < count; block += 1) {
    scales.forEach((scale, i) => {
      const at = block * blockBytes + 2 * i;
      view.setUint16(at, scale | (view.getUint8(at) & 0x3f), true);
    });
  }
}

import { FaultError } from '#lib/kernel/errors.ts';
import { fromHalfBits } from '#lib/kernel/half.ts';
import { checkedTensors } from '../checked-tensors.ts';
import {
  BLOCK,
  LAYER_TENSORS,
  TENSOR_TYPES,
  type PartKey,
  type StoredTensor,
  type TensorName,
  type TensorType,
} from '../model.ts';
import type { StageOptions } from '../stage.ts';
import type { Arena } from './arena.ts';
import type { Kernels } from './kernels.ts';
import { TENSOR_WORDS, roundUp, type Layout } from './layout.ts';
import { CPU_LIMITS } from './limits.ts';

interface Target {
  readonly kernels: Kernels;
  readonly arena: Arena;
  readonly layout: Layout;
}

/** Bytes of a packed block of four rows, as `packedGroupBytes` in `kernels/range.ts`. */
const PACKED_BLOCK_BYTES: Readonly<Record<TensorType, number>> = {
  F32: 16,
  F16: 8,
  Q8_0: 144,
  Q4_0: 80,
  Q4_1: 96,
  BF16: 8,
  Q5_0: 96,
  Q5_1: 112,
};

/**
 * Takes the parts of a range in, one after the other, and packs each tensor for the kernels. The
 * next parts are read meanwhile; one that is packed is released at once.
 * @throws FaultError `package/malformed` where a tensor is missing or has a wrong shape;
 *   `engine/out-of-memory`; and what the source throws.
 */
export async function loadWeights(target: Target, options: StageOptions): Promise<void> {
  const staging = target.arena.allocate(CPU_LIMITS.stagingBytesMax);
  const tensors = checkedTensors(options, CPU_LIMITS.partsAheadMax);
  for await (const { key, name, tensor } of tensors) {
    const data = isVector(name)
      ? placeVector(target.arena, tensor)
      : packMatrix(target, tensor, staging);
    const words = [TENSOR_TYPES.indexOf(tensor.type), tensor.rows, tensor.cols, data];
    for (const struct of structsOf({ ...options, layout: target.layout }, key, name)) {
      target.arena.wordsAt(struct, TENSOR_WORDS).set(words);
    }
  }
}

const isVector = (name: TensorName): boolean => name.endsWith('-norm') || name.endsWith('-bias');

/** The struct(s) of a tensor: a tied embedding is the head, too, from one copy. */
function structsOf(
  { layout, shape, range }: StageOptions & { layout: Layout },
  key: PartKey,
  name: TensorName,
): number[] {
  if (key === 'final-norm') return [layout.finalNorm];
  if (key === 'head') return [layout.head];
  if (key === 'embedding') {
    const asHead = shape.tiedEmbeddings ? layout.head : 0;
    return [layout.embedding, asHead].filter((address) => address !== 0);
  }
  const layer = Number(key.slice('layer/'.length)) - range.first;
  const slot = LAYER_TENSORS.findIndex((tensor) => tensor === name);
  return [layout.tensors + 4 * TENSOR_WORDS * (layer * LAYER_TENSORS.length + slot)];
}

/** Norm weights: fp32 as they are, 16 bits widened. */
function placeVector(arena: Arena, tensor: StoredTensor): number {
  const { type, cols, bytes } = tensor;
  const address = arena.allocate(4 * cols);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const floats = arena.floatsAt(address, cols);
  const words = arena.wordsAt(address, cols);
  for (let i = 0; i < cols; i += 1) {
    if (type === 'F32') floats[i] = view.getFloat32(4 * i, true);
    else if (type === 'F16') floats[i] = fromHalfBits(view.getUint16(2 * i, true));
    else if (type === 'BF16') words[i] = view.getUint16(2 * i, true) << 16;
    else throw new FaultError('package/unsupported', `norm weights of type ${type}`);
  }
  return address;
}

/** Bytes of a group of four packed rows; 16-bit columns lie in pairs. */
function packedGroupBytes(type: TensorType, cols: number): number {
  const columns = type === 'F32' ? cols : roundUp(cols, 2);
  return (columns / BLOCK[type].values) * PACKED_BLOCK_BYTES[type];
}

/** Through the staging buffer, a few rows at a time: stored bytes never lie in memory twice. */
function packMatrix({ kernels, arena }: Target, tensor: StoredTensor, staging: number): number {
  const { type, rows, cols, bytes } = tensor;
  const rowBytes = bytes.length / rows;
  const groupBytes = packedGroupBytes(type, cols);
  const batch = Math.floor(CPU_LIMITS.stagingBytesMax / rowBytes / 4) * 4;
  if (batch === 0) throw new FaultError('engine/unsupported', `rows of ${rowBytes} bytes`);
  const data = arena.allocate((roundUp(rows, 4) / 4) * groupBytes);
  const typeNumber = TENSOR_TYPES.indexOf(type);
  for (let row = 0; row < rows; row += batch) {
    const count = Math.min(batch, rows - row);
    const stored = bytes.subarray(row * rowBytes, (row + count) * rowBytes);
    arena.bytesAt(staging, stored.length).set(stored);
    kernels.pack(typeNumber, staging, data + (row / 4) * groupBytes, count, cols);
  }
  return data;
}

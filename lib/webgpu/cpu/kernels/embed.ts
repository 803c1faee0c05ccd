import {
  BF16,
  BLOCK,
  F16,
  F32,
  GROUP,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q8_0,
  Tensor,
  packedBlockBytes,
  packedGroupBytes,
  range,
} from './range';
import { halfToFloat1 } from './vector';

/** stream = the embedding's rows of the `rows` token ids at `ids`, read from the packed matrix. */
export function embedRows(ids: usize, rows: i32): void {
  const r = range();
  const t = changetype<Tensor>(r.embedding);
  for (let row = 0; row < rows; row++) {
    const id = load<i32>(ids + <usize>row * 4);
    const group = t.data + <usize>(id / GROUP) * packedGroupBytes(t.type, t.cols);
    const to = r.stream + <usize>(row * r.hidden) * 4;
    for (let col = 0; col < t.cols; col++) {
      store<f32>(to + <usize>col * 4, packedValue(t.type, group, id % GROUP, col));
    }
  }
}

/** One value of a packed group: the inverse of `pack`. */
function packedValue(type: i32, group: usize, lane: usize, col: usize): f32 {
  if (type == F32) return load<f32>(group + (col * 4 + lane) * 4);
  if (type == F16) return halfToFloat1(load<u16>(halfAddress(group, lane, col)));
  if (type == BF16) {
    return reinterpret<f32>(<u32>load<u16>(halfAddress(group, lane, col)) << 16);
  }
  const block = group + (col / BLOCK) * packedBlockBytes(type);
  const scale = load<f32>(block + lane * 4);
  const i = col % BLOCK;
  if (type == Q8_0) {
    return scale * <f32>load<i8>(block + 16 + ((i >> 1) * 4 + lane) * 2 + (i & 1));
  }
  if (type == Q5_0) return scale * (<f32>fiveAt(block + 16 + lane * 4, i) - 16);
  if (type == Q5_1) {
    return scale * <f32>fiveAt(block + 32 + lane * 4, i) + load<f32>(block + 16 + lane * 4);
  }
  const words = block + (type == Q4_1 ? 32 : 16);
  const word = load<u32>(words + ((i >> 3) * 4 + lane) * 4);
  const shift = <u32>(((i & 7) >> 1) * 4 + (i & 1) * 16);
  const nibble = <f32>((word >> shift) & 15);
  if (type == Q4_0) return scale * (nibble - 8);
  return scale * nibble + load<f32>(block + 16 + lane * 4);
}

@inline
function halfAddress(group: usize, lane: usize, col: usize): usize {
  return group + (((col >> 1) * 4 + lane) * 2 + (col & 1)) * 2;
}

/** Column `i` of a block of five-bit weights, the first word of whose row lies at `words`. */
function fiveAt(words: usize, i: usize): u32 {
  const pair = i >> 1;
  words += (i & 1) * 2;
  if (pair < 15) return (<u32>load<u16>(words + (pair / 3) * 16) >> <u32>(5 * (pair % 3))) & 31;
  let value: u32 = 0;
  for (let bit: u32 = 0; bit < 5; bit++) {
    value |= (<u32>load<u16>(words + <usize>bit * 16) >> 15) << bit;
  }
  return value;
}

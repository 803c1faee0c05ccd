import { must } from '#lib/kernel/assert.ts';
import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';
import { halfBits, halfValue } from './half.ts';
import { q4kQuant, q5kQuant, q6kScale, q6kValue, runMin, runScale, RUNS } from './k-quants.ts';
import { bestQ8Scale, putQ8 } from './q8-scale.ts';
import { SOURCE_BLOCK, type BlockPlace, type SourceType } from './source-types.ts';

/** Writes what one block of the source becomes: as many blocks of 32 as it has. */
type RepackBlock = (block: BlockPlace, out: BlockPlace) => void;

/**
 * Formats of the same form. Where whole numbers can stay as they are only scale and offset are
 * rounded to F16, an error of at most 2⁻¹¹ of each; quantising the values afresh would cost ten
 * times that and more.
 */
const REPACKS: Readonly<Partial<Record<`${SourceType}>${TensorType}`, RepackBlock>>> = {
  'Q4_K>Q4_1': eachRun('Q4_1', (block, run, { view, at }) => {
    putLine(block, run, { view, at });
    putNibbles(view, at + 4, (i) => q4kQuant(block, run, i));
  }),
  'Q5_K>Q5_1': eachRun('Q5_1', (block, run, { view, at }) => {
    const quant = (i: number): number => q5kQuant(block, run, i);
    let fifths = 0;
    for (let i = 0; i < 32; i += 1) fifths |= (quant(i) >> 4) << i;
    putLine(block, run, { view, at });
    view.setUint32(at + 4, fifths >>> 0, true);
    putNibbles(view, at + 8, quant);
  }),
  // Two runs of 16 share one scale: where it divides that of one, this one loses nothing.
  'Q6_K>Q8_0': eachRun('Q8_0', (block, run, out) => {
    const values = Float32Array.from({ length: 32 }, (_, i) => q6kValue(block, 32 * run + i));
    const steps = [q6kScale(block, 2 * run), q6kScale(block, 2 * run + 1)];
    putQ8(out, values, bestQ8Scale(values, steps));
  }),
  // d·(q − 8) is d·q − 8·d.
  'Q4_0>Q4_1': (block, { view, at }) => {
    const scale = block.view.getUint16(block.at, true);
    view.setUint16(at, scale, true);
    view.setUint16(at + 2, halfBits(-8 * halfValue(scale)), true);
    for (let i = 0; i < 16; i += 1) {
      view.setUint8(at + 4 + i, block.view.getUint8(block.at + 2 + i));
    }
  },
};

/** A block of 256 as eight blocks of 32. */
function eachRun(
  type: TensorType,
  put: (block: BlockPlace, run: number, out: BlockPlace) => void,
): RepackBlock {
  return (block, { view, at }) => {
    for (let run = 0; run < RUNS; run += 1) {
      put(block, run, { view, at: at + run * BLOCK[type].bytes });
    }
  };
}

function putLine(block: BlockPlace, run: number, { view, at }: BlockPlace): void {
  view.setUint16(at, halfBits(runScale(block, run)), true);
  view.setUint16(at + 2, halfBits(-runMin(block, run)), true);
}

/** Low halves of sixteen bytes are values 0–15, high ones 16–31. */
function putNibbles(view: DataView, at: number, quant: (i: number) => number): void {
  for (let i = 0; i < 16; i += 1) {
    view.setUint8(at + i, (quant(i) & 15) | ((quant(i + 16) & 15) << 4));
  }
}

export const canRepack = (from: SourceType, to: TensorType): boolean =>
  Object.hasOwn(REPACKS, `${from}>${to}`);

/** Whole blocks in the other format; see {@link canRepack}. */
export function repackBlocks(
  from: SourceType,
  to: TensorType,
  bytes: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const repack = must(REPACKS[`${from}>${to}`], `${from} is repacked as ${to}`);
  const [source, target] = [SOURCE_BLOCK[from], BLOCK[to]];
  const outBytes = (source.values / target.values) * target.bytes;
  const out = new Uint8Array((bytes.length / source.bytes) * outBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const written = new DataView(out.buffer);
  for (let at = 0, place = 0; at < bytes.length; at += source.bytes, place += outBytes) {
    repack({ view, at }, { view: written, at: place });
  }
  return out;
}

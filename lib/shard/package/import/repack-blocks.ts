import { must } from '#lib/kernel/assert.ts';
import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';
import { halfAt, newQuants, putFives, putHalf, putNibbles, readNibbles } from './block-bytes.ts';
import {
  q6kScale,
  readQ4KRun,
  readQ5KRun,
  readQ6KRun,
  runMin,
  runScale,
  RUNS,
} from './k-quants.ts';
import { bestQ8Scale, putQ8 } from './q8-scale.ts';
import { SOURCE_BLOCK, type BlockPlace, type SourceType } from './source-types.ts';

/** Writes what one block of the source becomes: as many blocks of 32 as it has. */
type RepackBlock = (block: BlockPlace, out: BlockPlace) => void;

const quants = newQuants();
const values = new Float32Array(32);

/**
 * Formats of the same form. Where whole numbers can stay as they are only scale and offset are
 * rounded to F16, an error of at most 2⁻¹¹ of each; quantising the values afresh would cost ten
 * times that and more.
 */
const REPACKS: Readonly<Partial<Record<`${SourceType}>${TensorType}`, RepackBlock>>> = {
  'Q4_K>Q4_1': eachRun('Q4_1', (block, run, { bytes, at }) => {
    readQ4KRun(block, run, quants);
    putLine(block, run, { bytes, at });
    putNibbles(bytes, at + 4, quants);
  }),
  'Q5_K>Q5_1': eachRun('Q5_1', (block, run, { bytes, at }) => {
    readQ5KRun(block, run, quants);
    putLine(block, run, { bytes, at });
    putFives(bytes, at + 4, quants);
  }),
  // Two runs of 16 share one scale: where it divides that of one, this one loses nothing.
  'Q6_K>Q8_0': eachRun('Q8_0', (block, run, out) => {
    readQ6KRun(block, run, values);
    const steps = [q6kScale(block, 2 * run), q6kScale(block, 2 * run + 1)];
    putQ8(out, values, bestQ8Scale(values, steps));
  }),
  // d·(q − 8) is d·q − 8·d.
  'Q4_0>Q4_1': (block, { bytes, at }) => {
    const scale = putHalf(bytes, at, halfAt(block.bytes, block.at));
    putHalf(bytes, at + 2, -8 * scale);
    readNibbles(block.bytes, block.at + 2, quants);
    putNibbles(bytes, at + 4, quants);
  },
};

/** A block of 256 as eight blocks of 32. */
function eachRun(
  type: TensorType,
  put: (block: BlockPlace, run: number, out: BlockPlace) => void,
): RepackBlock {
  return (block, { bytes, at }) => {
    for (let run = 0; run < RUNS; run += 1) {
      put(block, run, { bytes, at: at + run * BLOCK[type].bytes });
    }
  };
}

function putLine(block: BlockPlace, run: number, { bytes, at }: BlockPlace): void {
  putHalf(bytes, at, runScale(block, run));
  putHalf(bytes, at + 2, -runMin(block, run));
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
  for (let at = 0, place = 0; at < bytes.length; at += source.bytes, place += outBytes) {
    repack({ bytes, at }, { bytes: out, at: place });
  }
  return out;
}

import { halfValue } from './half.ts';
import { q4kQuant, q5kQuant, q6kValue, runMin, runScale, RUNS } from './k-quants.ts';
import { SOURCE_BLOCK, type BlockPlace, type SourceType } from './source-types.ts';

/** Writes one block's values to `out`, from `to` on. */
type DecodeBlock = (block: BlockPlace, out: Float32Array, to: number) => void;

const half = (view: DataView, at: number): number => halfValue(view.getUint16(at, true));

/** Nibbles of a block of 32: the low halves of sixteen bytes are values 0–15, the high 16–31. */
const nibble = (view: DataView, at: number, i: number): number =>
  i < 16 ? view.getUint8(at + i) & 15 : view.getUint8(at + i - 16) >> 4;

/** Five bits: the fifth of each in 32 bits at `at`, the nibbles behind them. */
const fiveBits = (view: DataView, at: number, i: number): number =>
  nibble(view, at + 4, i) + 16 * ((view.getUint32(at, true) >>> i) & 1);

/** Values of a run of 32 lie on a line: `scale · q + offset`. */
interface Line {
  readonly scale: number;
  readonly offset: number;
  readonly quant: (i: number) => number;
}
/** No offset: adding −0 changes nothing, adding 0 would make 0 of −0. */
const NONE = -0;

/** The products are exact in a double, so a value is rounded once, as ggml's are. */
function decodeRun(out: Float32Array, to: number, { scale, offset, quant }: Line): void {
  for (let i = 0; i < 32; i += 1) out[to + i] = scale * quant(i) + offset;
}

/** Scale at the block's beginning, then `quant(view, at, i)` from `behind` bytes on. */
const decodeScaled =
  (behind: number, quant: (view: DataView, at: number, i: number) => number): DecodeBlock =>
  ({ view, at }, out, to) => {
    const scale = half(view, at);
    decodeRun(out, to, { scale, offset: NONE, quant: (i) => quant(view, at + behind, i) });
  };

/** Scale and offset at the block's beginning, then the quants. */
const decodeLine =
  (quant: (view: DataView, at: number, i: number) => number): DecodeBlock =>
  ({ view, at }, out, to) => {
    const [scale, offset] = [half(view, at), half(view, at + 2)];
    decodeRun(out, to, { scale, offset, quant: (i) => quant(view, at + 4, i) });
  };

const decodeRuns =
  (quant: (block: BlockPlace, run: number, i: number) => number): DecodeBlock =>
  (block, out, to) => {
    for (let run = 0; run < RUNS; run += 1) {
      const [scale, offset] = [runScale(block, run), -runMin(block, run)];
      decodeRun(out, to + 32 * run, { scale, offset, quant: (i) => quant(block, run, i) });
    }
  };

/** After ggml-quants.c `dequantize_row_*`, bit for bit. */
const DECODERS: Readonly<Record<SourceType, DecodeBlock>> = {
  F32: ({ view, at }, out, to) => {
    out[to] = view.getFloat32(at, true);
  },
  F16: ({ view, at }, out, to) => {
    out[to] = half(view, at);
  },
  BF16: ({ view, at }, out, to) => {
    out[to] = bf16Value(view.getUint16(at, true));
  },
  Q8_0: decodeScaled(2, (view, at, i) => view.getInt8(at + i)),
  Q4_0: decodeScaled(2, (view, at, i) => nibble(view, at, i) - 8),
  Q5_0: decodeScaled(2, (view, at, i) => fiveBits(view, at, i) - 16),
  Q4_1: decodeLine(nibble),
  Q5_1: decodeLine(fiveBits),
  Q4_K: decodeRuns(q4kQuant),
  Q5_K: decodeRuns(q5kQuant),
  Q6_K: (block, out, to) => {
    for (let i = 0; i < 256; i += 1) out[to + i] = q6kValue(block, i);
  },
};

const wide = new DataView(new ArrayBuffer(4));
/** BF16 is the upper half of an F32. */
function bf16Value(bits: number): number {
  wide.setUint16(0, bits);
  return wide.getFloat32(0);
}

/** The fp32 values of whole blocks. */
export function decodeBlocks(type: SourceType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const block = SOURCE_BLOCK[type];
  const decode = DECODERS[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array((bytes.length / block.bytes) * block.values);
  for (let at = 0, to = 0; at < bytes.length; at += block.bytes, to += block.values) {
    decode({ view, at }, out, to);
  }
  return out;
}

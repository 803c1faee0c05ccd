import {
  halfAt,
  newQuants,
  readBytes,
  readFives,
  readNibbles,
  type Quants,
} from './block-bytes.ts';
import { readQ4KRun, readQ5KRun, readQ6KRun, runMin, runScale, RUNS } from './k-quants.ts';
import { SOURCE_BLOCK, type BlockPlace, type SourceType } from './source-types.ts';

/** Writes one block's values to `out`, from `to` on. */
type DecodeBlock = (block: BlockPlace, out: Float32Array, to: number) => void;

/** Values of a run of 32 lie on a line: `scale · (q − zero) + offset`. */
interface Line {
  readonly scale: number;
  readonly offset: number;
  readonly zero: number;
}
/** No offset: adding −0 changes nothing, adding 0 would make 0 of −0. */
const NONE = -0;

const scratch = newQuants();

/** The products are exact in a double, so a value is rounded once, as ggml's are. */
function putLine(out: Float32Array, to: number, { scale, offset, zero }: Line): void {
  for (let i = 0; i < 32; i += 1) out[to + i] = scale * ((scratch[i] ?? 0) - zero) + offset;
}

type ReadQuants = (bytes: Uint8Array, at: number, quants: Quants) => void;

/** Scale at the block's beginning, then the quants. */
const decodeScaled =
  (read: ReadQuants, zero: number): DecodeBlock =>
  ({ bytes, at }, out, to) => {
    read(bytes, at + 2, scratch);
    putLine(out, to, { scale: halfAt(bytes, at), offset: NONE, zero });
  };

/** Scale and offset at the block's beginning, then the quants. */
const decodeLine =
  (read: ReadQuants): DecodeBlock =>
  ({ bytes, at }, out, to) => {
    read(bytes, at + 4, scratch);
    putLine(out, to, { scale: halfAt(bytes, at), offset: halfAt(bytes, at + 2), zero: 0 });
  };

const decodeRuns =
  (read: (block: BlockPlace, run: number, quants: Quants) => void): DecodeBlock =>
  (block, out, to) => {
    for (let run = 0; run < RUNS; run += 1) {
      read(block, run, scratch);
      const [scale, offset] = [runScale(block, run), -runMin(block, run)];
      putLine(out, to + 32 * run, { scale, offset, zero: 0 });
    }
  };

/** A float of four bytes, of which the lower `missing` are 0: BF16 is the upper half of an F32. */
function decodeFloat(missing: number): DecodeBlock {
  const wide = new DataView(new ArrayBuffer(4));
  return ({ bytes, at }, out, to) => {
    for (let i = missing; i < 4; i += 1) wide.setUint8(i, bytes[at + i - missing] ?? 0);
    out[to] = wide.getFloat32(0, true);
  };
}

/** After ggml-quants.c `dequantize_row_*`, bit for bit. */
const DECODERS: Readonly<Record<SourceType, DecodeBlock>> = {
  F32: decodeFloat(0),
  BF16: decodeFloat(2),
  F16: ({ bytes, at }, out, to) => {
    out[to] = halfAt(bytes, at);
  },
  Q8_0: decodeScaled(readBytes, 0),
  Q4_0: decodeScaled(readNibbles, 8),
  Q5_0: decodeScaled(readFives, 16),
  Q4_1: decodeLine(readNibbles),
  Q5_1: decodeLine(readFives),
  Q4_K: decodeRuns(readQ4KRun),
  Q5_K: decodeRuns(readQ5KRun),
  Q6_K: (block, out, to) => {
    for (let run = 0; run < RUNS; run += 1) {
      readQ6KRun(block, run, out.subarray(to + 32 * run, to + 32 * run + 32));
    }
  },
};

/** The fp32 values of whole blocks. */
export function decodeBlocks(type: SourceType, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const block = SOURCE_BLOCK[type];
  const decode = DECODERS[type];
  const out = new Float32Array((bytes.length / block.bytes) * block.values);
  const place = { bytes, at: 0 };
  for (let to = 0; place.at < bytes.length; place.at += block.bytes, to += block.values) {
    decode(place, out, to);
  }
  return out;
}

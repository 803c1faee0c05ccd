import { BLOCK, type TensorType } from '#lib/webgpu/model.ts';
import type { ManifestPart, ManifestTensor } from './manifest.ts';

/** Where a value or block holds floating point: byte offsets in it, and how wide they are. */
const FLOATS: Readonly<Record<TensorType, { at: readonly number[]; as: keyof typeof NOT_FINITE }>> =
  {
    F32: { at: [0], as: 'f32' },
    F16: { at: [0], as: 'f16' },
    BF16: { at: [0], as: 'bf16' },
    Q8_0: { at: [0], as: 'f16' },
    Q4_0: { at: [0], as: 'f16' },
    Q4_1: { at: [0, 2], as: 'f16' },
    Q5_0: { at: [0], as: 'f16' },
    Q5_1: { at: [0, 2], as: 'f16' },
  };

/** An exponent of ones only is an infinity or no number, in all three formats. */
const NOT_FINITE = {
  f32: (view: DataView, at: number) => (view.getUint32(at, true) & 0x7f80_0000) === 0x7f80_0000,
  f16: (view: DataView, at: number) => (view.getUint16(at, true) & 0x7c00) === 0x7c00,
  bf16: (view: DataView, at: number) => (view.getUint16(at, true) & 0x7f80) === 0x7f80,
} as const;

/**
 * Names of a part's tensors with a value, or a block's scale or minimum, that is no finite number,
 * as far as it lies whole in `bytes`, the part's from `at` on.
 */
export function notFinite(
  { tensors }: ManifestPart,
  { at, bytes }: { readonly at: number; readonly bytes: Uint8Array },
): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return tensors.filter((tensor) => hasNotFinite(tensor, { at, view })).map(({ name }) => name);
}

/** Whether values, scales and minima of whole blocks are finite numbers. */
export function areFinite(type: TensorType, blocks: Uint8Array): boolean {
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
  return !hasNotFinite({ type, offset: 0, bytes: blocks.length }, { at: 0, view });
}

function hasNotFinite(
  { type, offset, bytes: length }: Pick<ManifestTensor, 'type' | 'offset' | 'bytes'>,
  { at, view }: { readonly at: number; readonly view: DataView },
): boolean {
  const { at: places, as } = FLOATS[type];
  const width = as === 'f32' ? 4 : 2;
  const step = BLOCK[type].bytes;
  const isBad = NOT_FINITE[as];
  for (const place of places) {
    const skipped = Math.max(0, Math.ceil((at - offset - place) / step));
    const end = Math.min(view.byteLength, offset + length - at);
    for (let i = offset + place + skipped * step - at; i + width <= end; i += step) {
      if (isBad(view, i)) return true;
    }
  }
  return false;
}

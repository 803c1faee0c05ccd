import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import type { StoredTensor, TensorName } from '#lib/webgpu/model.ts';

type Part = ReadonlyMap<TensorName, StoredTensor>;
type Head = Omit<StoredTensor, 'bytes'> & { readonly name: TensorName; readonly length: number };

/** A part on its way from the test's server to the tab: length of the head, head, bytes. */
export function encodePart(part: Part): Uint8Array {
  const tensors = [...part];
  const heads = tensors.map(([name, { type, rows, cols, bytes }]): Head => {
    return { name, type, rows, cols, length: bytes.length };
  });
  const head = utf8(JSON.stringify(heads));
  const length = new Uint8Array(Uint32Array.of(head.length).buffer);
  return concatBytes([length, head, ...tensors.map(([, { bytes }]) => bytes)]);
}

export function decodePart(bytes: Uint8Array): Part {
  const headBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const text = new TextDecoder().decode(bytes.subarray(4, 4 + headBytes));
  const part = new Map<TensorName, StoredTensor>();
  let at = 4 + headBytes;
  for (const { name, length, ...tensor } of JSON.parse(text) as Head[]) {
    part.set(name, { ...tensor, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return part;
}

/** Node has it from version 21, Safari from 17.4. */
const hasTransfer = 'transfer' in ArrayBuffer.prototype;

/**
 * Gives the memory of a large array back now and not when garbage is collected; the array is empty
 * from then on. Only for arrays that no interface of the browser has seen (streams, hashing): it
 * keeps such memory until its own collection, and `transfer` would hide it from the collector.
 * A view of a part of a buffer is left alone, since others may look at the rest.
 */
export function freeBytes(bytes: Uint8Array<ArrayBuffer>): void {
  const { buffer } = bytes;
  if (bytes.byteLength !== buffer.byteLength) return;
  if (hasTransfer) buffer.transfer(0);
  else structuredClone(buffer, { transfer: [buffer] });
}

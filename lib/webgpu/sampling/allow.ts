/** Makes the logits of ids whose bit is not set −∞. Ids past the mask are forbidden, too. */
export function forbidOthers(logits: Float32Array, allowed: Uint32Array): void {
  for (let first = 0; first < logits.length; first += 32) {
    const word = allowed[first >>> 5] ?? 0;
    if (word === 0xffffffff) continue;
    const end = Math.min(first + 32, logits.length);
    for (let id = first; id < end; id += 1) {
      if (((word >>> (id & 31)) & 1) === 0) logits[id] = -Infinity;
    }
  }
}

/**
 * A packed block of 32 columns of four output rows, by stored format: what `pack.ts` writes. The
 * products take these as type parameters, so that every format has functions of its own; with the
 * format as an argument, the compiler shared one body and asked for the format in every turn.
 */

@unmanaged
export class Q41Block {
  /** y = d·q + m of the four rows, fp32. */
  d: v128;
  m: v128;
  /** [col / 8][4] words of eight nibbles. */
  q0: v128;
  q1: v128;
  q2: v128;
  q3: v128;
}

@unmanaged
export class Q40Block {
  d: v128;
  q0: v128;
  q1: v128;
  q2: v128;
  q3: v128;
}

@unmanaged
export class Q80Block {
  d: v128;
  /** [col / 2][4][2] bytes. */
  q0: v128;
  q1: v128;
  q2: v128;
  q3: v128;
  q4: v128;
  q5: v128;
  q6: v128;
  q7: v128;
}

/** A column of four output rows as stored: formats without blocks. */
@unmanaged
export class F32Column {
  w: v128;
}

@unmanaged
export class F16Column {
  w: u64;
}

@inline
export function isQ41<T>(): bool {
  return offsetof<T>() == offsetof<Q41Block>();
}

@inline
export function isQ40<T>(): bool {
  return offsetof<T>() == offsetof<Q40Block>();
}

@inline
export function isQ80<T>(): bool {
  return offsetof<T>() == offsetof<Q80Block>();
}

@inline
export function isF32<T>(): bool {
  return offsetof<T>() == offsetof<F32Column>();
}

@inline
export function isF16<T>(): bool {
  return offsetof<T>() == offsetof<F16Column>();
}

/** Whether a block of 32 columns has a scale. */
@inline
export function isBlock<T>(): bool {
  return !isF32<T>() && !isF16<T>();
}

/** Where a packed block's weights begin. */
@inline
export function weightsOffset<T>(): usize {
  if (!isBlock<T>()) return 0;
  return isQ41<T>() ? offsetof<Q41Block>('q0') : offsetof<Q40Block>('q0');
}

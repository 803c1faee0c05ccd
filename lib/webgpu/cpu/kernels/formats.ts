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

/**
 * Five bits a weight: a 16-bit lane (row, even or odd column) of q0 … q4 holds those of three pairs
 * of columns, first pair lowest; the upper bits of the five lanes are the sixteenth pair's, first
 * bit in q0.
 */
@unmanaged
export class Q50Block {
  d: v128;
  q0: v128;
  q1: v128;
  q2: v128;
  q3: v128;
  q4: v128;
}

@unmanaged
export class Q51Block {
  d: v128;
  m: v128;
  q0: v128;
  q1: v128;
  q2: v128;
  q3: v128;
  q4: v128;
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

@unmanaged
export class BF16Column {
  w: u64;
}

/** Whether T is the format F, known when compiling: a class has one name, equal names one address. */
@inline
function is<T, F>(): bool {
  return changetype<usize>(nameof<T>()) == changetype<usize>(nameof<F>());
}

@inline
export function isF32<T>(): bool {
  return is<T, F32Column>();
}

@inline
export function isF16<T>(): bool {
  return is<T, F16Column>();
}

@inline
export function isBF16<T>(): bool {
  return is<T, BF16Column>();
}

/** Whether a block's weights are bytes; else they are nibbles or fives. */
@inline
export function isBytes<T>(): bool {
  return is<T, Q80Block>();
}

@inline
export function isFives<T>(): bool {
  return is<T, Q50Block>() || is<T, Q51Block>();
}

/** What a block without a minimum takes away from each weight: y = d·(q − zero). */
@inline
export function zeroPoint<T>(): f32 {
  if (is<T, Q40Block>()) return 8;
  return is<T, Q50Block>() ? 16 : 0;
}

/** Whether a block has a minimum beside its scale: y = d·q + m. */
@inline
export function hasMinimum<T>(): bool {
  return is<T, Q41Block>() || is<T, Q51Block>();
}

/** Whether a block of 32 columns has a scale. */
@inline
export function isBlock<T>(): bool {
  return !isF32<T>() && !isF16<T>() && !isBF16<T>();
}

/** Where a packed block's weights begin. */
@inline
export function weightsOffset<T>(): usize {
  if (!isBlock<T>()) return 0;
  return hasMinimum<T>() ? offsetof<Q41Block>('q0') : offsetof<Q40Block>('q0');
}

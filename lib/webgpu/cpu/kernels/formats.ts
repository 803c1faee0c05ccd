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

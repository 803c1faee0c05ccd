/** A piece of a state: its bytes are made when they are asked for, its hash is known before. */
export interface StatePart {
  /** SHA-256 of the bytes. */
  readonly hash: Uint8Array;
  readonly bytes: () => Uint8Array;
}

/** A state's parts as they lie on disk. */
export const partBytes = (parts: Iterable<StatePart>): Uint8Array[] =>
  Array.from(parts, (part) => part.bytes());

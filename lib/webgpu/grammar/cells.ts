/** What a cell waits for. */
export const OP = {
  /** Nothing: the value is complete. */
  done: 0,
  /** The first byte of a value of `node`. */
  value: 1,
  /** More of a string; `at` code points began, `sub` is the state within a character. */
  string: 2,
  /** More of a literal; `sub` is the place in its tree. */
  word: 3,
  /** More of a number, in state `sub`. */
  number: 4,
  /** A key or the end of an object, after its `{`. */
  objectOpen: 5,
  /** A key, after a comma; `at` is the first property that may come. */
  objectKey: 6,
  /** More of a key, at place `sub` of the tree of keys. */
  key: 7,
  /** The colon after the key of property `at`. */
  colon: 8,
  /** A comma or the end of an object, after a value; `at` as in `objectKey`. */
  objectAfter: 9,
  /** An item or the end of an array, after its `[`. */
  arrayOpen: 10,
  /** A comma or the end of an array, after item number `at`. */
  arrayAfter: 11,
} as const;

/**
 * A place in an answer: what comes next, and through `parent` what comes after that. Between tokens
 * `sub` is how much whitespace is there already.
 */
export interface Cell {
  readonly op: number;
  readonly node: number;
  readonly at: number;
  readonly sub: number;
  /** Index of the cell to go on with when this one's value is complete; −1: none. */
  readonly parent: number;
}

/** Equal cells have one index: a stack is a number. */
export class Cells {
  readonly #cells: Cell[] = [];
  readonly #depths: number[] = [];
  readonly #indexes = new Map<string, number>();

  /** The index of a cell, the one that an equal cell has had. */
  intern(cell: Cell): number {
    const { op, node, at, sub, parent } = cell;
    const key = `${op},${node},${at},${sub},${parent}`;
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const index = this.#cells.push(cell) - 1;
    const above = parent < 0 ? 0 : this.depthOf(parent);
    this.#depths.push(above + (op >= OP.objectOpen ? 1 : 0));
    this.#indexes.set(key, index);
    return index;
  }

  cellOf(index: number): Cell {
    return this.#cells[index] as Cell;
  }

  /** Objects and arrays that are open around and at a cell. */
  depthOf(index: number): number {
    return this.#depths[index] as number;
  }
}

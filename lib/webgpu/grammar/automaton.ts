import { Cells, OP, type Cell } from './cells.ts';
import type { GrammarLimits } from './limits.ts';
import type { GrammarNode } from './nodes.ts';
import { ENOUGH_SPACE, Stepper } from './stepper.ts';

/** No reading of the answer is left. */
export const DEAD = 0;
const UNKNOWN = -1;
const START = 1;

export interface Language {
  readonly nodes: readonly GrammarNode[];
  readonly root: number;
  readonly heights: readonly number[];
  readonly limits: GrammarLimits;
}

/**
 * The grammar's states, made as they are met. A state is the list of cells that the answer so far may
 * be at, in the order they were found: where there are more than `threadsMax`, the last ones go.
 */
export class Automaton {
  readonly start = START;
  readonly #language: Language;
  readonly #cells = new Cells();
  readonly #stepper: Stepper;
  readonly #states: (readonly number[])[] = [[]];
  readonly #rows: (Int32Array | undefined)[] = [];
  readonly #indexes = new Map<string, number>([['', DEAD]]);
  readonly #wide: Map<number, number>;
  readonly #reach: number;

  /** @param reach bytes of the longest token: how far `widen` looks ahead. */
  constructor(language: Language, reach: number) {
    this.#language = language;
    this.#reach = reach;
    this.#wide = new Map();
    this.#stepper = new Stepper(this.#cells, language.nodes, language);
    const { root: node } = language;
    const done = this.#cells.intern({ op: OP.done, node: 0, at: 0, sub: 0, parent: -1 });
    // An answer begins with its value: no blank comes before it.
    const first = { op: OP.value, node, at: 0, sub: ENOUGH_SPACE, parent: done };
    this.#intern([this.#cells.intern(first)]);
  }

  get size(): number {
    return this.#states.length;
  }

  /** The state after `byte`; {@link DEAD} where it may not come. */
  next(state: number, byte: number): number {
    const row = (this.#rows[state] ??= new Int32Array(256).fill(UNKNOWN));
    const known = row[byte] as number;
    if (known !== UNKNOWN) return known;
    const cells: number[] = [];
    for (const cell of this.#states[state] as readonly number[]) {
      this.#stepper.step(cell, byte, cells);
    }
    const { threadsMax } = this.#language.limits;
    const next = this.#intern([...new Set(cells)].slice(0, threadsMax));
    row[byte] = next;
    return next;
  }

  canEnd(state: number): boolean {
    return (this.#states[state] as readonly number[]).some((cell) => this.#stepper.canEnd(cell));
  }

  /**
   * A state that goes on as this one does for as long as one token: counts too far from their bounds
   * to reach them are made equal. A long string needs one mask, not one a character.
   */
  widen(state: number): number {
    const cells = this.#states[state] as readonly number[];
    return this.#intern(cells.map((cell) => this.#widenCell(cell)));
  }

  /** A state of another automaton of this language; its number is another one here. */
  adopt(other: Automaton, state: number): number {
    const cells = other.#states[state] as readonly number[];
    return this.#intern(cells.map((cell) => this.#adoptCell(other.#cells, cell)));
  }

  #adoptCell(cells: Cells, index: number): number {
    if (index < 0) return index;
    const cell = cells.cellOf(index);
    return this.#cells.intern({ ...cell, parent: this.#adoptCell(cells, cell.parent) });
  }

  #widenCell(index: number): number {
    const known = this.#wide.get(index);
    if (known !== undefined) return known;
    const cell = this.#cells.cellOf(index);
    const parent = cell.parent < 0 ? cell.parent : this.#widenCell(cell.parent);
    const wide = this.#cells.intern({ ...cell, at: this.#widenCount(cell), parent });
    this.#wide.set(index, wide);
    return wide;
  }

  #widenCount({ op, node: index, at }: Cell): number {
    const node = this.#language.nodes[index];
    const counts = op === OP.string || op === OP.arrayOpen || op === OP.arrayAfter;
    if (!counts || !node || !('min' in node)) return at;
    if (at + this.#reach < node.min) return 0;
    return at >= node.min && at + this.#reach < node.max ? node.min : at;
  }

  #intern(cells: readonly number[]): number {
    const key = cells.join(' ');
    const known = this.#indexes.get(key);
    if (known !== undefined) return known;
    const state = this.#states.push(cells) - 1;
    this.#indexes.set(key, state);
    return state;
  }
}

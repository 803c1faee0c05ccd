import { invariant } from '#lib/kernel/assert.ts';
import { OP, type Cell, type Cells } from './cells.ts';
import type { GrammarLimits } from './limits.ts';
import { NODE, type GrammarNode, type ObjectNode } from './nodes.ts';
import { INTEGER_TABLE, NUMBER_TABLE, type NumberTable } from './numbers.ts';
import { QUOTE, TEXT, nextChar } from './string-chars.ts';
import type { WordTree } from './words.ts';

const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const BLANK = 0x20;
const TAB = 0x09;
const NEWLINE = 0x0a;
/** `sub` between tokens: nothing yet, one blank and no more, a line break and (sub − 2) blanks after it. */
const NO_SPACE = 0;
export const ENOUGH_SPACE = 1;
const LINE_BREAK = 2;

/** Moves one cell by one byte. A cell that is reached can always be gone on with to a whole value. */
export class Stepper {
  readonly #nodes: readonly GrammarNode[];
  readonly #heights: readonly number[];
  readonly #cells: Cells;
  readonly #limits: GrammarLimits;

  /** @param heights levels that a value of each node needs at least. */
  constructor(
    cells: Cells,
    nodes: readonly GrammarNode[],
    options: { readonly heights: readonly number[]; readonly limits: GrammarLimits },
  ) {
    this.#cells = cells;
    this.#nodes = nodes;
    this.#heights = options.heights;
    this.#limits = options.limits;
  }

  /** Adds to `out` the cells that `byte` leads to from cell `index`: none, one, or alternatives. */
  step(index: number, byte: number, out: number[]): void {
    const cell = this.#cells.cellOf(index);
    switch (cell.op) {
      case OP.string:
        return this.#inString(cell, byte, out);
      case OP.word:
        return this.#inWord(cell, byte, out);
      case OP.number:
        return this.#inNumber(cell, byte, out);
      case OP.key:
        return this.#inKey(cell, byte, out);
      case OP.done:
        return;
      default:
        return this.#between(cell, byte, out);
    }
  }

  /** Whether the whole answer may end at a cell. */
  canEnd(index: number): boolean {
    const { op, node: at, sub, parent } = this.#cells.cellOf(index);
    if (op === OP.done) return true;
    const node = this.#node(at);
    if (op === OP.number) return numbersOf(node).canEnd(sub) && this.canEnd(parent);
    return op === OP.word && wordsOf(node).wordAt(sub) >= 0 && this.canEnd(parent);
  }

  /** Between tokens: blanks, or the byte that goes on. */
  #between(cell: Cell, byte: number, out: number[]): void {
    const space = this.#spaceAfter(cell.sub, byte);
    if (space > 0) out.push(this.#cells.intern({ ...cell, sub: space }));
    if (space >= 0) return;
    switch (cell.op) {
      case OP.value:
        return this.#begin(cell.node, byte, { parent: cell.parent, out });
      case OP.objectOpen:
      case OP.objectKey:
        if (byte === QUOTE) this.#beginKey(cell, out);
        else if (byte === CLOSE_OBJECT && cell.op === OP.objectOpen) this.#closeObject(cell, out);
        return;
      case OP.objectAfter:
        if (byte === CLOSE_OBJECT) this.#closeObject(cell, out);
        else if (byte === COMMA && this.#hasKey(cell)) out.push(this.#move(cell, OP.objectKey));
        return;
      case OP.colon:
        if (byte === COLON) out.push(this.#valueOf(cell));
        return;
      default:
        return this.#inArray(cell, byte, out);
    }
  }

  /** `sub` after a blank; −1 where `byte` is none; 0 where it may not come. */
  #spaceAfter(sub: number, byte: number): number {
    if (byte !== BLANK && byte !== TAB && byte !== NEWLINE) return -1;
    if (sub === NO_SPACE) return byte === BLANK ? ENOUGH_SPACE : byte === NEWLINE ? LINE_BREAK : 0;
    const isIndent = sub >= LINE_BREAK && byte !== NEWLINE;
    return isIndent && sub - LINE_BREAK < this.#limits.indentMax ? sub + 1 : 0;
  }

  #begin(index: number, byte: number, at: Place): void {
    const node = this.#node(index);
    if (!this.#fits(index, at.parent)) return;
    const push = (op: number, sub: number): void => {
      at.out.push(this.#cells.intern({ op, node: index, at: 0, sub, parent: at.parent }));
    };
    switch (node.kind) {
      case 'any-of':
        for (const alternative of node.alternatives) this.#begin(alternative, byte, at);
        return;
      case 'string':
        if (byte === QUOTE) push(OP.string, TEXT);
        return;
      case 'object':
      case 'map':
        if (byte === OPEN_OBJECT) push(OP.objectOpen, NO_SPACE);
        return;
      case 'array':
        if (byte === OPEN_ARRAY) push(OP.arrayOpen, NO_SPACE);
        return;
      case 'words': {
        const cell = { op: OP.word, node: index, at: 0, sub: 0, parent: at.parent };
        return this.#inWord(cell, byte, at.out);
      }
      case 'number': {
        const cell = { op: OP.number, node: index, at: 0, sub: 0, parent: at.parent };
        return this.#inNumber(cell, byte, at.out);
      }
    }
  }

  #inString(cell: Cell, byte: number, out: number[]): void {
    const { min, max } = boundsOf(this.#node(cell.node));
    const begins = cell.sub === TEXT;
    if (begins && byte === QUOTE) {
      if (cell.at >= min) out.push(cell.parent);
      return;
    }
    const sub = nextChar(cell.sub, byte);
    if (sub < 0 || (begins && cell.at >= max)) return;
    const at = begins ? countUp(cell.at, min, max) : cell.at;
    out.push(this.#cells.intern({ ...cell, at, sub }));
  }

  #inWord(cell: Cell, byte: number, out: number[]): void {
    const words = wordsOf(this.#node(cell.node));
    const sub = words.next(cell.sub, byte);
    // A literal that nothing can follow is complete at once; `1` of 1 and 12 at the byte after it.
    if (sub !== 0) {
      const isOver = words.wordAt(sub) >= 0 && !words.goesOn(sub);
      out.push(isOver ? cell.parent : this.#cells.intern({ ...cell, sub }));
    } else if (words.wordAt(cell.sub) >= 0) this.step(cell.parent, byte, out);
  }

  #inNumber(cell: Cell, byte: number, out: number[]): void {
    const table = numbersOf(this.#node(cell.node));
    const sub = table.next(cell.sub, byte);
    if (sub >= 0) out.push(this.#cells.intern({ ...cell, sub }));
    else if (table.canEnd(cell.sub)) this.step(cell.parent, byte, out);
  }

  #beginKey(cell: Cell, out: number[]): void {
    const node = this.#node(cell.node);
    if (node.kind === 'object') return this.#inKey({ ...cell, op: OP.key, sub: 0 }, QUOTE, out);
    const parent = this.#move(cell, OP.colon);
    out.push(this.#cells.intern({ op: OP.string, node: NODE.text, at: 0, sub: TEXT, parent }));
  }

  #inKey(cell: Cell, byte: number, out: number[]): void {
    const node = objectOf(this.#node(cell.node));
    const sub = node.keys.next(cell.sub, byte);
    if (sub === 0 || !this.#hasProperty(cell, node.keys.wordsFrom(sub))) return;
    const property = node.keys.wordAt(sub);
    if (property < 0) out.push(this.#cells.intern({ ...cell, sub }));
    else out.push(this.#cells.intern({ ...cell, op: OP.colon, at: property, sub: NO_SPACE }));
  }

  /** Whether one of `properties`, ascending, may come: none before it that is required is left out. */
  #hasProperty({ node: index, at, parent }: Cell, properties: Iterable<number>): boolean {
    const node = objectOf(this.#node(index));
    const last = node.requiredFrom[at] as number;
    const depth = this.#cells.depthOf(parent) + 1;
    for (const property of properties) {
      if (property > last) return false;
      const value = node.properties[property]?.node;
      if (property >= at && value !== undefined && this.#hasRoom(value, depth)) return true;
    }
    return false;
  }

  #hasKey(cell: Cell): boolean {
    const node = this.#node(cell.node);
    if (node.kind !== 'object') return true;
    for (let at = cell.at; at < node.properties.length; at += 1) {
      if (this.#hasProperty(cell, [at])) return true;
      if (at === node.requiredFrom[cell.at]) return false;
    }
    return false;
  }

  #valueOf(cell: Cell): number {
    const node = this.#node(cell.node);
    const parent = this.#cells.intern({
      ...cell,
      op: OP.objectAfter,
      at: node.kind === 'object' ? cell.at + 1 : 0,
      sub: NO_SPACE,
    });
    const value = node.kind === 'object' ? node.properties[cell.at]?.node : NODE.any;
    return this.#cells.intern({ op: OP.value, node: value ?? NODE.any, at: 0, sub: 0, parent });
  }

  #closeObject({ node: index, at, parent }: Cell, out: number[]): void {
    const node = this.#node(index);
    if (node.kind !== 'object' || node.requiredFrom[at] === node.properties.length) {
      out.push(parent);
    }
  }

  #inArray(cell: Cell, byte: number, out: number[]): void {
    const { min, max } = boundsOf(this.#node(cell.node));
    if (byte === CLOSE_ARRAY) {
      if (cell.at >= min) out.push(cell.parent);
      return;
    }
    if (cell.at >= max) return;
    const after = { ...cell, op: OP.arrayAfter, at: countUp(cell.at, min, max), sub: NO_SPACE };
    const items = itemsOf(this.#node(cell.node));
    if (!this.#hasRoom(items, this.#cells.depthOf(cell.parent) + 1)) return;
    const parent = this.#cells.intern(after);
    if (cell.op === OP.arrayOpen) this.#begin(items, byte, { parent, out });
    else if (byte === COMMA) {
      out.push(this.#cells.intern({ op: OP.value, node: items, at: 0, sub: NO_SPACE, parent }));
    }
  }

  /** The same place, with another thing to come. */
  #move(cell: Cell, op: number): number {
    return this.#cells.intern({ ...cell, op, sub: NO_SPACE });
  }

  #fits(node: number, parent: number): boolean {
    return this.#hasRoom(node, this.#cells.depthOf(parent));
  }

  #hasRoom(node: number, depth: number): boolean {
    return depth + (this.#heights[node] as number) <= this.#limits.depthMax;
  }

  #node(index: number): GrammarNode {
    return this.#nodes[index] as GrammarNode;
  }
}

interface Place {
  readonly parent: number;
  readonly out: number[];
}

/** Without an upper bound nobody asks for a count past the lower one: the states stay few. */
const countUp = (at: number, min: number, max: number): number =>
  max === Infinity ? Math.min(at + 1, min) : at + 1;

function boundsOf(node: GrammarNode): { readonly min: number; readonly max: number } {
  invariant(node.kind === 'string' || node.kind === 'array', 'it has a length');
  return node;
}

function wordsOf(node: GrammarNode): WordTree {
  invariant(node.kind === 'words', 'it is a literal');
  return node.words;
}

function numbersOf(node: GrammarNode): NumberTable {
  invariant(node.kind === 'number', 'it is a number');
  return node.isInteger ? INTEGER_TABLE : NUMBER_TABLE;
}

function objectOf(node: GrammarNode): ObjectNode {
  invariant(node.kind === 'object', 'its keys are known');
  return node;
}

function itemsOf(node: GrammarNode): number {
  invariant(node.kind === 'array', 'it has items');
  return node.items;
}

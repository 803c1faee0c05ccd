import { FaultError } from '#lib/kernel/errors.ts';
import { Automaton, DEAD, type Language } from './automaton.ts';
import { heightsOf } from './heights.ts';
import { GRAMMAR, type GrammarLimits } from './limits.ts';
import { invalid, unsupported } from './refuse.ts';
import { readSchema } from './schema.ts';
import type { TokenTable } from './tokens.ts';

/**
 * What an answer may be, over one vocabulary. Its states and masks are found as they are needed and
 * kept for all answers of the grammar; they depend on nothing but schema, vocabulary and limits.
 */
export class Grammar {
  readonly tokens: TokenTable;
  readonly #language: Language;
  #automaton: Automaton;
  readonly #masks = new Map<number, Uint32Array>();

  constructor(language: Language, tokens: TokenTable) {
    this.tokens = tokens;
    this.#language = language;
    this.#automaton = new Automaton(language, tokens.longestBytes);
  }

  /** Whose numbers states have now; another one once what was kept has been dropped. */
  get automaton(): Automaton {
    return this.#automaton;
  }

  /** The state after one token's bytes; null where the token may not come. */
  after(state: number, id: number): number | null {
    if (!this.tokens.isText(id)) return null;
    let at = state;
    for (const byte of this.tokens.bytesOf(id)) {
      at = this.#automaton.next(at, byte);
      if (at === DEAD) return null;
    }
    return at;
  }

  /** Bit i % 32 of word i / 32: whether id i may come. Shared: not to be written. */
  maskOf(state: number): Uint32Array {
    const wide = this.#automaton.widen(state);
    const known = this.#masks.get(wide);
    if (known) return known;
    const mask = walk(this.#automaton, this.tokens, wide);
    const oldest = this.#masks.keys().next();
    if (this.#masks.size >= this.#language.limits.masksMax && !oldest.done) {
      this.#masks.delete(oldest.value);
    }
    this.#masks.set(wide, mask);
    return mask;
  }

  /** Forgets what was found where it has grown too large. Who holds a state takes it along. */
  tidy(): void {
    if (this.#automaton.size <= this.#language.limits.statesMax) return;
    this.#automaton = new Automaton(this.#language, this.tokens.longestBytes);
    this.#masks.clear();
  }
}

/** One walk over the vocabulary's tree; what a dead byte leads to is skipped. */
function walk(automaton: Automaton, tokens: TokenTable, start: number): Uint32Array {
  const { bytes, depths, ends, ids, sameAs } = tokens;
  const mask = new Uint32Array(maskWords(tokens.vocab));
  const allow = (id: number): void => {
    mask[id >>> 5] = (mask[id >>> 5] as number) | (1 << (id & 31));
  };
  /** By depth: the state before the byte there. */
  const states = new Int32Array(tokens.longestBytes + 1);
  states[0] = start;
  for (let node = 0; node < bytes.length;) {
    const depth = depths[node] as number;
    const next = automaton.next(states[depth] as number, bytes[node] as number);
    if (next === DEAD) {
      node = ends[node] as number;
      continue;
    }
    states[depth + 1] = next;
    for (let id = ids[node] as number; id >= 0; id = sameAs[id] as number) allow(id);
    node += 1;
  }
  const isStuck = mask.every((word) => word === 0);
  if (isStuck || automaton.canEnd(start)) tokens.eosIds.forEach(allow);
  return mask;
}

/** Words of a mask of so many ids. */
export const maskWords = (vocab: number): number => Math.ceil(vocab / 32);

/**
 * The grammar of answers that are one JSON object (`'json'`) or fit a JSON schema.
 * @throws FaultError `request/unsupported` for what is not supported, by name, or larger than the
 * limits; `request/invalid` for what is no schema or fits nothing. `details.param` is
 * 'response_format'.
 */
export function compileGrammar(
  schema: unknown,
  tokens: TokenTable,
  limits: GrammarLimits = GRAMMAR,
): Grammar {
  const canSpell = (bytes: Uint8Array): boolean => bytes.every((byte) => tokens.hasByte(byte));
  const { nodes, root } = readSchema(schema, { limits, canSpell });
  const heights = heightsOf(nodes, limits.depthMax);
  if (heights[root] === Infinity) {
    throw unsupported('#', `no answer of at most ${limits.depthMax} levels fits`);
  }
  return new Grammar({ nodes, root, heights, limits }, tokens);
}

/**
 * As {@link compileGrammar}, of a schema written as JSON, the way it travels.
 * @throws FaultError as that does; `request/invalid` for what is no JSON.
 */
export function parseGrammar(text: string, tokens: TokenTable): Grammar {
  let schema: unknown;
  try {
    schema = JSON.parse(text);
  } catch {
    throw invalid('#', 'no JSON');
  }
  return compileGrammar(schema, tokens);
}

/** Where one answer stands: a pure function of the grammar and the ids said so far. */
export class GrammarState {
  readonly #grammar: Grammar;
  #automaton: Automaton;
  #state: number;
  #hasEnded = false;

  /**
   * @param answerIds what was said before, the way another stage's history tells it.
   * @throws FaultError `wire/malformed` for ids that the grammar would not have allowed.
   */
  constructor(grammar: Grammar, answerIds: readonly number[] = []) {
    this.#grammar = grammar;
    this.#automaton = grammar.automaton;
    this.#state = this.#automaton.start;
    for (const id of answerIds) this.follow(id);
  }

  /** Another that stands here, and goes on by itself. */
  copy(): GrammarState {
    const copy = new GrammarState(this.#grammar);
    copy.#automaton = this.#automaton;
    copy.#state = this.#state;
    copy.#hasEnded = this.#hasEnded;
    return copy;
  }

  /** Whether the answer is whole as it is. */
  get canEnd(): boolean {
    return this.#hasEnded || this.#automaton.canEnd(this.#state);
  }

  /**
   * Writes the ids that may come next, one bit each: id i in bit i % 32 of word i / 32. Never none:
   * if the grammar led nowhere, the end is allowed.
   */
  allowed(into: Uint32Array): void {
    this.#grammar.tidy();
    into.set(this.#grammar.maskOf(this.#current()));
  }

  /** Goes on by one id; false, and no change, where it may not come. */
  accept(id: number): boolean {
    if (this.#hasEnded) return false;
    this.#grammar.tidy();
    const current = this.#current();
    if (this.#grammar.tokens.eosIds.includes(id)) {
      this.#hasEnded = this.#automaton.canEnd(current);
      return this.#hasEnded;
    }
    const next = this.#grammar.after(current, id);
    if (next === null) return false;
    this.#state = next;
    return true;
  }

  /** Goes on by an id that was said. @throws FaultError `wire/malformed` where it may not come. */
  follow(id: number): void {
    if (this.accept(id)) return;
    throw new FaultError('wire/malformed', 'the answer so far does not fit its grammar');
  }

  /** The state's number as the grammar counts now. */
  #current(): number {
    const { automaton } = this.#grammar;
    if (automaton !== this.#automaton) {
      this.#state = automaton.adopt(this.#automaton, this.#state);
      this.#automaton = automaton;
    }
    return this.#state;
  }
}

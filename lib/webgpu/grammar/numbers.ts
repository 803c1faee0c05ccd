/**
 * JSON numbers (RFC 8259, section 6) of bounded length that every reader takes as the same finite
 * number: an integer is safe, an exponent follows one leading digit and stays below 308.
 */
export interface NumberTable {
  /** The state after `byte`, from 0 at the start; −1 where it may not come. */
  next(state: number, byte: number): number;
  /** Whether a number may end in a state. */
  canEnd(state: number): boolean;
}

/** 10¹⁵ − 1 is safe in a double. */
const INTEGER_DIGITS = 15;
/** As many as JSON.stringify writes: 21 before an exponent is used, 6 zeros and 17 digits after. */
const WHOLE_DIGITS = 21;
const FRACTION_DIGITS = 23;

type Moves = [bytes: string, to: string][];
interface State {
  readonly moves: Moves;
  readonly canEnd: boolean;
}

const ANY = '0123456789';
const NOT_ZERO = '123456789';

function integerStates(digits: number): Map<string, State> {
  const start: Moves = [
    ['0', 'zero'],
    [NOT_ZERO, 'whole1'],
  ];
  const states = new Map<string, State>([
    ['start', { moves: [['-', 'minus'], ...start], canEnd: false }],
    ['minus', { moves: start, canEnd: false }],
    ['zero', { moves: [], canEnd: true }],
  ]);
  addDigits(states, 'whole', digits);
  return states;
}

/** States `name`1 … `name`n of so many digits, each an end. */
function addDigits(states: Map<string, State>, name: string, digits: number): void {
  for (let n = 1; n <= digits; n += 1) {
    const moves: Moves = n < digits ? [[ANY, `${name}${n + 1}`]] : [];
    states.set(`${name}${n}`, { moves, canEnd: true });
  }
}

function numberStates(): Map<string, State> {
  const states = integerStates(WHOLE_DIGITS);
  const add = (name: string, ...moves: Moves): void => {
    states.get(name)?.moves.push(...moves);
  };
  for (const kind of ['scientific', 'plain']) {
    states.set(`${kind}.`, { moves: [[ANY, `${kind}1`]], canEnd: false });
    addDigits(states, kind, FRACTION_DIGITS);
  }
  for (const name of states.keys()) {
    if (/^(zero|whole1)$/.test(name)) add(name, ['.', 'scientific.']);
    else if (/^whole/.test(name)) add(name, ['.', 'plain.']);
    if (/^(zero|whole1|scientific\d+)$/.test(name)) add(name, ['eE', 'exponent']);
  }
  const end = (name: string, moves: Moves): unknown => states.set(name, { moves, canEnd: true });
  const up: Moves = [
    ['012', 'up'],
    ['3', 'up3'],
    ['456789', 'last'],
  ];
  states.set('exponent', { moves: [['+', 'plus'], ['-', 'down3'], ...up], canEnd: false });
  states.set('plus', { moves: up, canEnd: false });
  end('up', [[ANY, 'last']]);
  end('up3', [
    ['0', 'up30'],
    [NOT_ZERO, 'end'],
  ]);
  end('up30', [['01234567', 'end']]);
  states.set('down3', { moves: [[ANY, 'down2']], canEnd: false });
  end('down2', [[ANY, 'last']]);
  end('last', [[ANY, 'end']]);
  end('end', []);
  return states;
}

function build(states: Map<string, State>): NumberTable {
  const names = [...states.keys()];
  const table = new Int16Array(names.length * 256).fill(-1);
  const ends = [...states.values()].map(({ canEnd }) => canEnd);
  for (const [index, { moves }] of [...states.values()].entries()) {
    for (const [bytes, to] of moves) {
      for (const char of bytes) table[index * 256 + char.charCodeAt(0)] = names.indexOf(to);
    }
  }
  return {
    next: (state, byte) => table[state * 256 + byte] ?? -1,
    canEnd: (state) => ends[state] ?? false,
  };
}

export const NUMBER_TABLE = build(numberStates());
export const INTEGER_TABLE = build(integerStates(INTEGER_DIGITS));

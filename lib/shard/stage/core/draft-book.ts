/**
 * The ids of one session, and where each pair of them stood: guesses what comes next by what came
 * after the same words before (prompt look-up decoding). Both noting an id and guessing take bounded
 * time, however long the session is. Changed in place.
 */
export interface DraftBook {
  readonly ids: number[];
  /** By pair of ids: one past its latest place. */
  readonly latest: Map<number, number>;
  /** By one past a pair's place: the same of the pair's place before; 0: there is none. */
  readonly before: number[];
}

export interface Guess {
  readonly ids: readonly number[];
  /** How many ids before the end stood before the guess, too: at least two. */
  readonly context: number;
}

/** Of a longer prompt only the end is looked at: a book costs some 30 bytes an id. */
const PROMPT_IDS_MAX = 1 << 14;
/** Places tried for the longest context, the latest first. */
const PLACES_MAX = 12;
/** Contexts longer than this are all as good. */
const CONTEXT_MAX = 12;
/** Past the largest id (`WIRE.tokenIdMax`). */
const PAIR_FACTOR = 1 << 21;

export function openBook(ids: readonly number[]): DraftBook {
  const book: DraftBook = { ids: [], latest: new Map(), before: [0] };
  for (const id of ids.slice(-PROMPT_IDS_MAX)) noteId(book, id);
  return book;
}

export function noteId({ ids, latest, before }: DraftBook, id: number): void {
  const last = ids.at(-1);
  ids.push(id);
  if (last === undefined) {
    before.push(0);
    return;
  }
  const pair = last * PAIR_FACTOR + id;
  before.push(latest.get(pair) ?? 0);
  latest.set(pair, ids.length);
}

/** What came after the longest equal context, at most `most` ids; null where nothing is equal. */
export function guess({ ids, before }: DraftBook, most: number): Guess | null {
  let context = 0;
  let found = 0;
  let place = before[ids.length] ?? 0;
  for (let tried = 0; place > 0 && tried < PLACES_MAX; tried += 1) {
    const equal = equalBefore(ids, place);
    if (equal > context) [context, found] = [equal, place];
    if (context >= CONTEXT_MAX) break;
    place = before[place] ?? 0;
  }
  if (found === 0 || most < 1) return null;
  const guessed: number[] = [];
  // What repeats itself runs on into what is guessed.
  for (let i = 0; i < most; i += 1) {
    const at = found + i;
    guessed.push((at < ids.length ? ids[at] : guessed[at - ids.length]) as number);
  }
  return { ids: guessed, context };
}

/** How many ids before `place` equal those before the end. */
function equalBefore(ids: readonly number[], place: number): number {
  let equal = 0;
  while (equal < CONTEXT_MAX && equal < place) {
    if (ids[place - 1 - equal] !== ids[ids.length - 1 - equal]) break;
    equal += 1;
  }
  return equal;
}

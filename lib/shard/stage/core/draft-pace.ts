import type { InstantMs } from '#lib/kernel/units.ts';

/**
 * Whether drafts pay, by what was measured in this epoch at the last place: how long a token takes
 * round the whole ring with and without them, whatever the stages and links are, and how often they
 * stand. Rows cost a processor almost what a token does, and next to nothing where a round is mostly
 * waiting for links. Changed in place.
 */
export interface DraftPace {
  /** Milliseconds of the latest rounds of one row. */
  readonly plainMs: number[];
  /** What each draft of the latest rounds with some added to that. */
  readonly draftMs: number[];
  /** What a draft adds before any was tried: milliseconds as thought, or a share of a round as seen. */
  readonly guess: CostGuess;
  /** By class of context: drafts tried, and how many of them stood. */
  readonly tries: { tried: number; stood: number }[];
  /** What drafts have saved so far, below zero what they have cost, and how long the rounds took. */
  savedMs: number;
  elapsedMs: number;
  round: Round | null;
  /** Rounds since drafts were tried last. */
  idle: number;
}

/**
 * `seen`: by other answers over the same route, `ofRound` as measured last. Each answer since has made it
 * `trust` less sure, down to what is thought (`ms`): a moment in which rounds took long for another
 * reason must not keep all later answers from trying.
 */
export type CostGuess =
  | { readonly kind: 'thought'; readonly ms: number }
  | {
      readonly kind: 'seen';
      readonly ofRound: number;
      readonly trust: number;
      readonly ms: number;
    };

interface Round {
  readonly at: InstantMs;
  readonly drafts: number;
  readonly context: number;
  /** Sessions that are decoded here beside each other: each waits for the rows of all. */
  readonly sessions: number;
}

export interface Chance {
  /** How many ids before the end stood before the guess, too. */
  readonly context: number;
  readonly most: number;
  readonly sessions: number;
}

export const PACE = {
  /** Rounds of one kind that are looked at: their middle is no accident of one. */
  roundsMax: 5,
  /** Drafts must promise this much more tokens/s than none: less is lost in what is not measured. */
  gainMin: 1.05,
  /** Drafts may have cost this share of the time at most, and a first try that of a round. */
  lossShareMax: 0.01,
  firstTryRounds: 0.3,
  /** What is thought not to pay is tried again so often, within that share. */
  retryRounds: 24,
  /** A context of 2 ids, 3 or 4, more: how many of 100 drafts stand before any was tried. */
  priors: [0.3, 0.55, 0.8],
  /** So many tries weigh as much as that. */
  priorTries: 3,
  /** Older tries count half once there are so many. */
  triesMax: 48,
} as const;

export const newPace = (guess: CostGuess): DraftPace => ({
  plainMs: [],
  draftMs: [],
  guess,
  tries: PACE.priors.map(() => ({ tried: 0, stood: 0 })),
  savedMs: 0,
  elapsedMs: 0,
  round: null,
  idle: 0,
});

export function beginRound(pace: DraftPace, round: Round): void {
  pace.round = round;
  pace.idle = round.drafts > 0 ? 0 : pace.idle + 1;
}

/** `tried`: rows beyond the first that came round; `stood`: how many of their drafts stood. */
export function endRound(
  pace: DraftPace,
  now: InstantMs,
  { tried, stood }: { readonly tried: number; readonly stood: number },
): void {
  const { round } = pace;
  if (!round) return;
  pace.round = null;
  const ms = now - round.at;
  pace.elapsedMs += ms;
  if (tried === 0) {
    keep(pace.plainMs, ms);
    return;
  }
  const plainMs = middle(pace.plainMs);
  keep(pace.draftMs, Math.max(0, ms - plainMs) / tried);
  pace.savedMs += (stood * plainMs) / round.sessions - Math.max(0, ms - plainMs);
  const tries = pace.tries[classOf(round.context)];
  if (!tries) return;
  // The first that falls was tried, too; those behind it were not.
  tries.tried += Math.min(tried, stood + 1);
  tries.stood += stood;
  if (tries.tried > PACE.triesMax) {
    tries.tried /= 2;
    tries.stood /= 2;
  }
}

/** How many drafts promise the most tokens/s of all sessions together; 0 where none pays. */
export function howMany(pace: DraftPace, { context, most, sessions }: Chance): number {
  if (pace.plainMs.length === 0) return 0;
  const plainMs = middle(pace.plainMs);
  const draftMs = (costOfDraft(pace) ?? guessedCost(pace)) * plainMs;
  const { share, first } = { share: shareOf(pace, context), first: PACE.firstTryRounds * plainMs };
  const mayLoseMs = pace.savedMs + PACE.lossShareMax * pace.elapsedMs + first;
  let best: { count: number; gain: number } = { count: 0, gain: PACE.gainMin };
  let standing = 0;
  for (let count = 1; count <= most && count * draftMs <= mayLoseMs; count += 1) {
    standing += share ** count;
    const gain = (1 + standing / sessions) / (1 + (count * draftMs) / plainMs);
    if (gain > best.gain) best = { count, gain };
  }
  if (best.count > 0 || most === 0) return best.count;
  const mayRetry = pace.idle >= PACE.retryRounds && context > 2;
  return mayRetry && draftMs <= mayLoseMs - first ? 1 : 0;
}

/** Of a round of one row, as measured; null before a draft was tried. */
export function costOfDraft({ plainMs, draftMs }: DraftPace): number | null {
  return draftMs.length > 0 && plainMs.length > 0 ? middle(draftMs) / middle(plainMs) : null;
}

function guessedCost({ guess, plainMs }: DraftPace): number {
  const thought = guess.ms / middle(plainMs);
  if (guess.kind === 'thought') return thought;
  return Math.max(guess.ofRound * guess.trust, Math.min(guess.ofRound, thought));
}

/** How likely the next draft stands, of what was seen and what was thought before. */
function shareOf({ tries }: DraftPace, context: number): number {
  const at = classOf(context);
  const { tried, stood } = tries[at] ?? { tried: 0, stood: 0 };
  return (stood + (PACE.priors[at] ?? 0) * PACE.priorTries) / (tried + PACE.priorTries);
}

const classOf = (context: number): number => (context <= 2 ? 0 : context <= 4 ? 1 : 2);

function keep(latest: number[], ms: number): void {
  latest.push(ms);
  if (latest.length > PACE.roundsMax) latest.shift();
}

function middle(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}

/** How the next token is chosen (S8): plain numbers, fixed for a session. */
export interface SamplingParams {
  /** 0 is greedy. */
  readonly temperature: number;
  /** Keep the k most likely ids; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set whose probability reaches `topP`; 1 keeps all. */
  readonly topP: number;
  /** Keep ids at least `minP` times as likely as the best one; 0 keeps all. */
  readonly minP: number;
  /**
   * Keep the ids whose surprise is nearest the expected one until their probability reaches
   * `typicalP` (Meister et al., "Locally typical sampling", 2022); 1 keeps all.
   */
  readonly typicalP: number;
  /** Unsigned, below 2⁵³. */
  readonly seed: number;
  /** Which of `n` choices of one request: separates their random numbers. */
  readonly choice: number;
  /** How many likely ids are told with each token and its log probability; null: not even that. */
  readonly logprobs: number | null;
  /** What changes logits before anything is chosen; null: nothing does. */
  readonly penalties: Penalties | null;
}

/** In vLLM's order and meaning: bias, repetition, then frequency and presence. */
export interface Penalties {
  /** Divides positive and multiplies negative logits of ids in prompt or answer; 1 leaves them. */
  readonly repetition: number;
  /** Taken off the logits of ids in the answer, once. */
  readonly presence: number;
  /** Taken off for each time an id stands in the answer. */
  readonly frequency: number;
  /** Added to the logits of ids. */
  readonly bias: readonly (readonly [id: number, bias: number])[];
}

/** All that decides how the ids of a session are chosen. */
export interface Choosing {
  readonly sampling: SamplingParams;
  /** A schema as JSON (`../grammar`) that the answer has to fit; null: any text. */
  readonly grammar: string | null;
}

/** What penalties and grammars look at. */
export interface TokenHistory {
  /** Distinct ids of the prompt, in any order; empty where `repetition` is 1. */
  readonly promptIds: readonly number[];
  /** The answer so far, in order. */
  readonly answerIds: readonly number[];
}

export const NO_HISTORY: TokenHistory = { promptIds: [], answerIds: [] };

/** Whether who samples must know the answer so far. */
export const looksAtAnswer = ({ sampling: { penalties }, grammar }: Choosing): boolean =>
  grammar !== null ||
  (penalties !== null &&
    (penalties.repetition !== 1 || penalties.presence !== 0 || penalties.frequency !== 0));

/** As much of prompt and answer as these look at. */
export const historyFor = (
  choosing: Choosing,
  promptIds: readonly number[],
  answerIds: readonly number[],
): TokenHistory => ({
  promptIds: (choosing.sampling.penalties?.repetition ?? 1) === 1 ? [] : [...new Set(promptIds)],
  answerIds: looksAtAnswer(choosing) ? [...answerIds] : [],
});

export const GREEDY: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  typicalP: 1,
  seed: 0,
  choice: 0,
  logprobs: null,
  penalties: null,
};

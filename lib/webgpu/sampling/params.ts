/** How the next token is chosen (S8): plain numbers, fixed for a session. */
export interface SamplingParams {
  /** 0 is greedy. */
  readonly temperature: number;
  /** Keep the k most likely ids; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set whose probability reaches `topP`; 1 keeps all. */
  readonly topP: number;
  /** Unsigned, below 2⁵³. */
  readonly seed: number;
  /** Which of `n` choices of one request: separates their random numbers. */
  readonly choice: number;
}

export const GREEDY: SamplingParams = { temperature: 0, topK: 0, topP: 1, seed: 0, choice: 0 };

import type { AnswerRecord } from './record.ts';

/** A token as its reader is told of it; bytes that are no whole character show as U+FFFD. */
export interface ToldToken {
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
}

/** A token of the answer with the likeliest ones in its place. */
export interface ChosenToken extends ToldToken {
  /** Characters of the answer's text before it. */
  readonly offset: number;
  readonly top: readonly ToldToken[];
}

/** How tokens are told; null where the request did not ask. */
export interface Telling {
  readonly bytesOf: (id: number) => Uint8Array;
  /** Ids that end an answer: they are not told. */
  readonly hiddenIds: readonly number[];
}

/** Tokens `from` … `to` − 1 of an answer; those of an answer that was resumed here have none. */
export function chosenTokens(
  { pieces }: Pick<AnswerRecord, 'pieces'>,
  { from, to }: { readonly from: number; readonly to: number },
  { bytesOf, hiddenIds }: Telling,
): ChosenToken[] {
  const told = (id: number, logprob: number): ToldToken => {
    const bytes = bytesOf(id);
    return { token: new TextDecoder().decode(bytes), bytes: [...bytes], logprob };
  };
  return pieces.slice(from, to).flatMap(({ id, logprobs, offset }) => {
    if (!logprobs || hiddenIds.includes(id)) return [];
    const top = logprobs.top.map(([each, logprob]) => told(each, logprob));
    return { ...told(id, logprobs.logprob), offset, top };
  });
}

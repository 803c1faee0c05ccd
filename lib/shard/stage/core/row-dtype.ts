import type { Prepare, WireDtype } from '#lib/shard/wire/session-messages.ts';

/**
 * How rows travel where the route is narrow (S9): by their position alone, so that rows that are sent
 * again, by whoever, have the bits that they had. `int8` is for the prompt's: what an id is sampled
 * from, the row of the prompt's last id and those of the answer, travels in halves there.
 */
export const dtypeAt = (prepare: Prepare, position: number): WireDtype =>
  prepare.wireDtype === 'int8' && position >= firstAnswerRow(prepare) ? 'f16' : prepare.wireDtype;

/** Rows below it are of the prompt alone. */
export const firstAnswerRow = ({ promptLength }: Prepare): number => promptLength - 1;

/** Most rows from `first` on, up to `rows`, that travel alike: a frame has one dtype. */
export function rowsAlike(prepare: Prepare, first: number, rows: number): number {
  const border = firstAnswerRow(prepare);
  const isMixed = prepare.wireDtype === 'int8' && first < border && first + rows > border;
  return isMixed ? border - first : rows;
}

import type { Body, BodyType } from '../codec/bodies.ts';
import type { Transaction } from '../codec/transaction.ts';
import type { ResultCode } from '../codes.ts';
import type { Draft } from '../draft.ts';
import type { Executed } from '../nonces.ts';

/** What a transaction came to; with the sequence of the first execution where it only repeats one. */
export type Outcome = ResultCode | Executed;

/**
 * A rule for one type of body: looks first and changes the draft last, so that what it refuses has had
 * no effect.
 */
export type Rule<Type extends BodyType> = (
  draft: Draft,
  body: Extract<Body, { type: Type }>,
  transaction: Transaction,
) => Outcome;

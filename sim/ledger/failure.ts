/** What a checker can find wrong. */
export type LedgerCheck =
  /** Two correct replicas executed different blocks at one sequence. */
  | 'agreement'
  /** A block does not follow from the one before it. */
  | 'prefix'
  /** A block is not what executing its batch gives, or holds what nobody asked for. */
  | 'validity'
  /** A transaction had its effect twice, or two different results. */
  | 'once'
  /** What f + 1 replicas have sealed is not in a correct chain. */
  | 'acknowledged'
  /** Credit was made or lost. */
  | 'supply'
  /** A correct key signed two different things for one place. */
  | 'votes'
  /** A correct key voted in a view that it had left, or not as it must in the epoch. */
  | 'promise'
  /** What a correct key had said is not on its disk. */
  | 'forgotten'
  /** A correct replica said or took what does not prove itself. */
  | 'certificate'
  /** A correct replica left its view too early. */
  | 'patience'
  /** A key signed again after its log was lost. */
  | 'amnesia'
  /** More is kept than the limits say. */
  | 'memory'
  /** A reader that verifies took another chain, or nothing at all. */
  | 'light'
  /** Once the network had healed the ledger did not go on in time. */
  | 'liveness'
  /** Our own code broke a promise. */
  | 'invariant';

/** The run stops here, and its seed is printed. */
export class LedgerFailure extends Error {
  override readonly name = 'LedgerFailure';
  readonly check: LedgerCheck;

  constructor(check: LedgerCheck, message: string) {
    super(`${check}: ${message}`);
    this.check = check;
  }
}

/** Fails the run unless `condition` holds. */
export function expected(condition: boolean, check: LedgerCheck, what: () => string): void {
  if (!condition) throw new LedgerFailure(check, what());
}

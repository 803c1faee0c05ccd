export const CHECKS = [
  'token',
  'contract',
  'budget',
  'hang',
  'leftover',
  'lost',
  'invariant',
] as const;
export type Check = (typeof CHECKS)[number];

/** What a checker found wrong: the run stops here and its seed is printed. */
export class SimFailure extends Error {
  override readonly name = 'SimFailure';
  readonly check: Check;

  constructor(check: Check, message: string) {
    super(`${check}: ${message}`);
    this.check = check;
  }
}

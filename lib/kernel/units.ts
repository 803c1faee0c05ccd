/**
 * Branded primitive types: a number that is an instant cannot be passed where a duration is meant.
 * The brands exist at compile time only.
 */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Milliseconds on the monotonic clock of one process. Never compared across machines. */
export type InstantMs = Brand<number, 'InstantMs'>;

export const instantMs = (ms: number): InstantMs => ms as InstantMs;
export const later = (now: InstantMs, ms: number): InstantMs => (now + ms) as InstantMs;

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

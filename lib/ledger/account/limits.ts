import { invariant } from '#lib/kernel/assert.ts';
import { KIB, MIB } from '#lib/kernel/units.ts';

/** Bounds of the ledger's state machine; what an operator may change is in `Parameters`. */

/** All credit there is, in micro: nothing is ever created (A1). */
export const SUPPLY_MICRO = 2n ** 62n;
/** The most that one transaction can name. */
export const AMOUNT_MICRO_MAX = SUPPLY_MICRO - 1n;

/** The end of ledger time: the year 10889. What is added to an instant still fits 64 bits. */
export const TIME_MS_MAX = 2n ** 48n;
export const MINUTE_MS = 60_000n;
export const HOUR_MS = 60n * MINUTE_MS;
export const DAY_MS = 24n * HOUR_MS;

/** A transaction other than MINT, whose proof may be longer. */
export const TRANSACTION_BYTES_MAX = 4 * KIB;
export const MINT_BYTES_MAX = 64 * KIB;
/** Arrays within arrays: transaction, body, list, entry. Deeper nesting overflows a decoder's stack. */
export const NESTING_DEPTH_MAX = 4;
/** One batch travels in one PRE-PREPARE, and replicas keep W of them. */
export const BATCH_BYTES_MAX = MIB;
export const BATCH_TRANSACTIONS_MAX = 1024;

/** How far ahead of ledger time a transaction may still be valid: as long as its nonce must be known. */
export const VALIDITY_MS_MAX = 10n * MINUTE_MS;
/** Executed nonces that are kept for a key, the highest ones. */
export const NONCES_KEPT = 256;
/** A gateway sends for all its readers. */
export const GATEWAY_NONCES_KEPT = 4096;
/** Nonces in a key's own record, which every transaction of it writes: 800 bytes at most. */
export const NONCES_RECENT_MAX = 32;
/** The lowest of them that go to a page at once, so that one is written every so many transactions. */
export const NONCES_MOVED = 16;
/** A page that has more parts in two: 3 200 bytes, and no more than 66 pages a gateway. */
export const NONCE_PAGE_MAX = 128;
/** A key that acted keeps its nonces so long; a stranger's go when its transactions have expired. */
export const NONCES_KEPT_DAYS = 90;

export const HOLD_MS_MIN = MINUTE_MS;
export const HOLD_MS_MAX = DAY_MS;
/** A hold's id begins with the instant it was made at, and is taken no farther from ledger time. */
export const HOLD_ID_AGE_MS_MAX = 10n * MINUTE_MS;
/** A hold that was voided or expired is remembered so long: past its id's age, so the id is used up. */
export const CLOSED_HOLD_MS = HOUR_MS;
/** Open holds of one account or cluster. */
export const OPEN_HOLDS_MAX = 4096;
/** From capture until what MINT left of a pot returns to the treasury. */
export const POT_MS = DAY_MS;

/** Days in which an account counts as new, from its first mint; half of what it earns then waits. */
export const NEW_DAYS = 7;
export const MATURING_DAYS = 7;
export const TIER_DAYS = 28;
export const IDLE_DAYS = 90;

export const KEYS_PER_ACCOUNT_MAX = 32;
export const CLUSTERS_PER_ACCOUNT_MAX = 16;
export const MEMBERS_PER_CLUSTER_MAX = 1024;
/** Workers that one MINT pays. */
export const SHARES_MAX = 64;

export const ADDRESS_BYTES_MAX = 64;
/** A network's, for people. */
export const NAME_BYTES_MAX = 64;
/** Gateways that a genesis names. */
export const GATEWAYS_MAX = 16;
/** 32 replicas of three keys and an address, 16 gateways, the parameters. */
export const GENESIS_BYTES_MAX = 16 * KIB;
/** Changes that wait for their epoch. */
export const PENDING_MAX = 32;
/** Entries that fall due and are settled in one block; the rest wait for the next one. */
export const SWEEP_MAX = 1024;

invariant(CLOSED_HOLD_MS > 2n * HOLD_ID_AGE_MS_MAX, 'a hold is remembered until its id is too old');
invariant(POT_MS > CLOSED_HOLD_MS, 'a captured hold is remembered until its id is too old');
invariant(GATEWAY_NONCES_KEPT < 2 ** 16, 'a count of nonces has two bytes');
invariant(2 * NONCES_RECENT_MAX < NONCES_KEPT, 'the lowest nonce of a full table is in a page');
invariant(2 * NONCES_MOVED <= NONCES_RECENT_MAX, 'some nonces stay recent');
invariant(2 * NONCES_MOVED < NONCE_PAGE_MAX, 'a page has room for what moves into it');

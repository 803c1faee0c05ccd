import { utf8 } from '#lib/kernel/bytes.ts';
import { sha256Hex } from '#lib/kernel/digest.ts';

/** Whose computed pages a session may use, and who may use its own. */
export interface PrefixScope {
  /** A secret of the requester: who has another one finds none of its pages. Null: nobody does. */
  readonly salt: string | null;
  /** The first `ids` ids are no secret, and whole pages of them everybody's, under this salt. */
  readonly public: { readonly ids: number; readonly salt: string } | null;
}

export interface PrefixSharing extends PrefixScope {
  /** Positions of a page: stages with pages of another size share nothing. */
  readonly pagePositions: number;
  /** False: nobody can hold a page of this prompt yet, so the first epoch's fill waits for no report. */
  readonly mayHit: boolean;
}

/** 16 bytes: nobody finds two prompts with one digest, and 2¹²⁸ are not tried out. */
const DIGEST_HEX_DIGITS = 32;

/**
 * Names of the whole pages of `ids`, each of its salt, its ids and the page before it: equal names
 * are equal prefixes under equal salts. They end where there is no salt.
 * @param known those of the first pages, from an earlier call.
 */
export function pageDigests(
  { salt, public: open, pagePositions }: Omit<PrefixSharing, 'mayHit'>,
  ids: readonly number[],
  known: readonly string[] = [],
): readonly string[] {
  const digests = [...known];
  for (;;) {
    const first = digests.length * pagePositions;
    const end = first + pagePositions;
    const pageSalt = open !== null && end <= open.ids ? open.salt : salt;
    if (end > ids.length || pageSalt === null) return digests;
    const before = digests.at(-1) ?? '';
    const page = `declai/page/1\n${pageSalt}\n${before}\n${ids.slice(first, end).join()}`;
    digests.push(sha256Hex(utf8(page)).slice(0, DIGEST_HEX_DIGITS));
  }
}

import { toHex } from '#lib/kernel/bytes.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import type { Header } from '#lib/ledger/pbft/messages/header.ts';
import type { Signed } from '#lib/ledger/pbft/messages/vote.ts';
import type { CertifiedHeader } from './light/chain.ts';
import { sealChecks, weightOf, type Electors, type Weight } from './light/electors.ts';
import { CLIENT_MEMORY } from './limits.ts';
import type { SealSet } from './wire/answers.ts';

interface Page {
  readonly header: Header;
  readonly headerHash: Uint8Array;
  readonly signed: Map<number, Signed>;
}

/** What is known of one header. */
export interface SealCount {
  readonly weight: Weight;
  readonly certified: CertifiedHeader;
  /** Another header in the same place, with q SEALs like this one. */
  readonly rival: CertifiedHeader | null;
}

/**
 * SEALs by header, from whoever sent them. Each is verified once and by itself, so a forged one beside a
 * good one spoils nothing. The headers that came last are kept.
 */
export class SealBook {
  readonly #verify: Verify;
  readonly #pages = new Map<string, Page>();

  constructor(verify: Verify) {
    this.#verify = verify;
  }

  /** Counts what these sets hold of this header, and what was counted before. */
  count(
    electors: Electors,
    { header, headerHash }: { readonly header: Header; readonly headerHash: Uint8Array },
    sets: readonly SealSet[],
  ): SealCount {
    const page = this.#page(header, headerHash);
    for (const set of sets) {
      if (set.epoch === header.epoch && set.sequence === header.sequence) {
        this.#add(electors, page, set);
      }
    }
    const of = certifiedBy(page);
    const weight = weigh(electors, page);
    const rival = weight === 'header' ? this.#rivalOf(electors, page) : null;
    return { weight, certified: of, rival };
  }

  #add(electors: Electors, page: Page, set: SealSet): void {
    if (!bytesEqual(set.headerHash, page.headerHash)) return;
    for (const each of set.seals) {
      if (page.signed.has(each.replica)) continue;
      const [check] = sealChecks(electors, { ...set, seals: [each] }) ?? [];
      if (check && this.#verify(check.publicKey, check.message, check.signature)) {
        page.signed.set(each.replica, each);
      }
    }
  }

  #page(header: Header, headerHash: Uint8Array): Page {
    const name = toHex(headerHash);
    const page = this.#pages.get(name) ?? { header, headerHash, signed: new Map() };
    this.#pages.delete(name);
    this.#pages.set(name, page);
    if (this.#pages.size > CLIENT_MEMORY.headersMax) {
      const [oldest] = this.#pages.keys();
      if (oldest !== undefined) this.#pages.delete(oldest);
    }
    return page;
  }

  #rivalOf(electors: Electors, { header, headerHash }: Page): CertifiedHeader | null {
    const { epoch, sequence } = header;
    for (const page of this.#pages.values()) {
      const isSame = page.header.epoch === epoch && page.header.sequence === sequence;
      if (!isSame || bytesEqual(page.headerHash, headerHash)) continue;
      if (weigh(electors, page) === 'header') return certifiedBy(page);
    }
    return null;
  }
}

const certifiedBy = ({ header, headerHash, signed }: Page): CertifiedHeader => ({
  ...{ header, headerHash },
  seals: [...signed.values()].sort((a, b) => a.replica - b.replica),
});

const weigh = (electors: Electors, page: Page): Weight => {
  const { epoch, sequence } = page.header;
  const { headerHash, seals } = certifiedBy(page);
  return weightOf(electors, { epoch, sequence, headerHash, seals });
};

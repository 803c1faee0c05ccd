import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { Source } from '../source.ts';
import { rejected, stale, type CertifiedHeader, type LightChain } from './chain.ts';
import { askExtension, extendsBlock, type BlockId } from './extension.ts';
import { askCertified, follow, type Proving } from './follow.ts';

/** A block that the person who set this client up knows to be of the chain. */
export type Pin = BlockId;

/** What the client rested on when it had no fresh header of its own. */
export type Trust =
  /** The chain goes through the pin. */
  | 'pinned'
  /** Two sources have the same chain. */
  | 'two-sources'
  /** Its own newest header, from a store, was younger than the trusting period. */
  | 'own';

/**
 * Keys of replicas that are long gone prove nothing: who has them can seal another past. So a client with
 * no fresh header of its own also wants a pin, or the agreement of two sources (L4).
 * @throws FaultError ledger/stale there is neither; ledger/unproven, ledger/conflicting-certificates
 */
export async function trustIn(
  of: {
    /** Where the client stood, and where one source has led it. */
    readonly before: LightChain;
    readonly light: LightChain;
    readonly sources: readonly [Source, ...Source[]];
  },
  { pin, proving }: { readonly pin?: Pin; readonly proving: Proving },
): Promise<Trust> {
  const [source, second] = of.sources;
  if (pin !== undefined) {
    const { newest } = of.light;
    // Everybody has the genesis: a pin of it would show nothing.
    if (pin.sequence === 0) throw stale('a pin names a block after the genesis');
    if (pin.sequence > newest.header.sequence) throw stale('the source is behind the pin');
    if (!(await stands(newest, { ...pin, source }, proving.sha256))) {
      throw rejected('the chain does not go through the pin');
    }
    return 'pinned';
  }
  if (second === undefined) {
    throw stale(
      'nothing fresh is known of this chain: give a pin (sequence:hash) or a second source',
    );
  }
  await agree({ ...of, second }, proving);
  return 'two-sources';
}

/** One source's chain is the beginning of the other's. */
async function agree(
  { before, light, sources, second }: Parameters<typeof trustIn>[0] & { readonly second: Source },
  proving: Proving,
): Promise<void> {
  const of = { source: second, keys: [], minSequence: 0 };
  const sealed = await askCertified(light, of, proving);
  if (sealed.header.sequence >= light.newest.header.sequence) {
    await follow(light, { source: second, sealed }, proving);
    return;
  }
  const other = await follow(before, { source: second, sealed }, proving);
  const { header, headerHash, seals } = light.newest;
  const { epoch, sequence } = header;
  const newest = { header, seals: [{ epoch, sequence, headerHash, seals }] };
  await follow(other, { source: sources[0], sealed: newest }, proving);
}

/** Is this the newest header, or in its history, by the source's path? */
export async function stands(
  newest: CertifiedHeader,
  at: BlockId & { readonly source: Source },
  sha256: Sha256,
): Promise<boolean> {
  const { header } = newest;
  if (at.sequence === header.sequence) return bytesEqual(at.headerHash, newest.headerHash);
  const extension = await askExtension(at.source, { from: at.sequence, to: header.sequence });
  return extendsBlock(header, { before: at, extension }, sha256);
}

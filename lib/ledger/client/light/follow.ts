import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { VerifyAsync } from '#lib/ledger/crypto/ed25519/rule.ts';
import { askFor, type ReplyOf, type Source } from '../source.ts';
import type { Sealed } from '../wire/answers.ts';
import { adoptEnd, adoptHeader, judgeFork, type Judgement } from './adopt.ts';
import { lastEpoch, rejected, type LightChain } from './chain.ts';
import { evidenceBytes } from './conflict.ts';
import { askExtension, type Extension } from './extension.ts';
import { weigh } from './weigh.ts';

/** How a light client verifies on its platform. */
export interface Proving {
  readonly sha256: Sha256;
  readonly verify: VerifyAsync;
}

/** Where the chain stands if every signature holds. @throws FaultError ledger/unproven, ledger/conflicting-certificates */
export async function settle(
  judgement: Judgement | FaultError,
  { verify }: Proving,
): Promise<LightChain> {
  if (isFault(judgement)) throw judgement;
  const { checks, light, conflict } = judgement;
  const verdicts = await Promise.all(
    checks.map(({ publicKey, message, signature }) => verify(publicKey, message, signature)),
  );
  if (verdicts.includes(false)) throw rejected('a SEAL’s signature does not hold');
  if (conflict === null) return light;
  throw conflictFault(evidenceBytes(light, conflict));
}

/** @param evidence as `evidenceBytes` */
export const conflictFault = (evidence: Uint8Array): FaultError =>
  new FaultError(
    'ledger/conflicting-certificates',
    'a quorum sealed two chains: keep the evidence, and trust neither until operators have explained it',
    { details: { evidence: toHex(evidence) } },
  );

/**
 * The chain with this header as its newest: epoch ends that are missing are asked for and proven first,
 * and that it follows the newest so far. All or nothing: what fails changes no state.
 * @throws FaultError ledger/unproven, ledger/stale, ledger/conflicting-certificates, the source's
 */
export async function follow(
  light: LightChain,
  { source, sealed }: { readonly source: Source; readonly sealed: Sealed },
  proving: Proving,
): Promise<LightChain> {
  const { header } = sealed;
  const known = await withEpochs(light, { source, header }, proving);
  const from = known.newest.header.sequence;
  // Of the genesis its chain's id tells, which every SEAL signs.
  const isShown = from > 0 && header.sequence > from;
  const extension = isShown ? await askExtension(source, { from, to: header.sequence }) : null;
  const judgement = adoptHeader(known, { sealed, extension }, proving.sha256);
  const fork = isFault(judgement, 'ledger/unproven')
    ? await forkOf(known, { source, sealed, extension }, proving)
    : null;
  return settle(fork ?? judgement, proving);
}

/** Epoch ends up to the header's epoch, each proven. @throws FaultError as `follow` */
export async function withEpochs(
  light: LightChain,
  { source, header }: { readonly source: Source; readonly header: Pick<Header, 'epoch'> },
  proving: Proving,
): Promise<LightChain> {
  const epochOf = (chain: LightChain): number => lastEpoch(chain).electors.epoch;
  let after = light;
  while (epochOf(after) < header.epoch) {
    const from = epochOf(after);
    const { ends } = await askFor(source, 'epoch-ends', { type: 'epoch-ends', from });
    for (const end of ends) {
      if (epochOf(after) === header.epoch) break;
      after = await settle(adoptEnd(after, end, proving.sha256), proving);
    }
    // It has no more of them.
    if (epochOf(after) === from) break;
  }
  return after;
}

/** Where the path fails: does the source hold another header in the place of the newest? */
async function forkOf(
  light: LightChain,
  of: {
    readonly source: Source;
    readonly sealed: Sealed;
    readonly extension: Extension | null;
  },
  { sha256 }: Proving,
): Promise<Judgement | null> {
  const { source, sealed, extension } = of;
  if (extension?.type !== 'path') return null;
  const { path } = extension;
  const { sequence } = light.newest.header;
  const question = { type: 'blocks', from: sequence, count: 1 } as const;
  const reply = await source.ask(question);
  // It cannot say: then the header is only unproven.
  const other = reply.type === 'blocks' ? reply.blocks[0]?.header : undefined;
  if (other === undefined) return null;
  const judgement = judgeFork(light, { sealed, other, path }, sha256);
  return isFault(judgement) ? null : judgement;
}

/** An answer of `type` under a header with q SEALs, at the newest state or at the last certified one. */
export async function askCertified(
  light: LightChain,
  of: {
    readonly source: Source;
    readonly keys: readonly Uint8Array[];
    readonly minSequence: number;
  },
  { sha256 }: Proving,
): Promise<ReplyOf<'records'>> {
  const { source, keys, minSequence } = of;
  const read = { type: 'read', keys, minSequence } as const;
  const newest = await askFor(source, 'records', { ...read, at: 'newest' });
  if (isCertified(light, newest, sha256)) return newest;
  return askFor(source, 'records', { ...read, at: 'certified' });
}

/** Enough SEALs to be certified, as far as their number says; an epoch that is not known yet may be. */
function isCertified(light: LightChain, sealed: Sealed, sha256: Sha256): boolean {
  const { header, seals } = sealed;
  if (header.epoch > lastEpoch(light).electors.epoch) {
    const hash = toHex(headerHash(header, sha256));
    return seals.some((each) => toHex(each.headerHash) === hash && each.seals.length > 1);
  }
  const weighed = weigh(light, sealed, sha256);
  return !isFault(weighed) && weighed.weight === 'header';
}

import { isFault, FaultError } from '#lib/kernel/errors.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { VerifyAsync } from '#lib/ledger/crypto/ed25519/rule.ts';
import type { Source } from '../source.ts';
import type { Reply, Sealed } from '../wire/answers.ts';
import { refusalFault } from '../wire/codes.ts';
import type { Question } from '../wire/requests.ts';
import { adoptEnd, adoptHeader, isNext, judgeFork, type Judgement } from './adopt.ts';
import { lastEpoch, rejected, type LightChain } from './chain.ts';
import { evidenceBytes } from './conflict.ts';
import { weigh } from './weigh.ts';

/** How a light client verifies on its platform. */
export interface Proving {
  readonly sha256: Sha256;
  readonly verify: VerifyAsync;
}

type ReplyOf<T extends Reply['type']> = Reply & { readonly type: T };

/** The answer of the kind that the question has. @throws FaultError the refusal's, `wire/malformed`. */
export async function askFor<T extends Reply['type']>(
  source: Source,
  type: T,
  question: Question,
): Promise<ReplyOf<T>> {
  const reply = await source.ask(question);
  if (reply.type === 'refused') throw refusalFault(reply.code, reply.retryAfterMs);
  if (reply.type !== type) {
    throw new FaultError('wire/malformed', `${source.name} answers something else`);
  }
  return reply as ReplyOf<T>;
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
  throw new FaultError(
    'ledger/conflicting-certificates',
    'a quorum sealed two chains: keep the evidence, and trust neither until operators have explained it',
    { details: { evidence: toHex(evidenceBytes(light, conflict)) } },
  );
}

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
  const path = await pathFrom(known, { source, header });
  const judgement = adoptHeader(known, { sealed, path }, proving.sha256);
  if (!isFault(judgement, 'ledger/unproven') || path.length === 0) {
    return settle(judgement, proving);
  }
  const fork = await forkOf(known, { source, sealed, path }, proving);
  return settle(fork ?? judgement, proving);
}

async function withEpochs(
  light: LightChain,
  { source, header }: { readonly source: Source; readonly header: Header },
  proving: Proving,
): Promise<LightChain> {
  const from = lastEpoch(light).electors.epoch;
  if (header.epoch <= from) return light;
  const { ends } = await askFor(source, 'epoch-ends', { type: 'epoch-ends', from });
  let after = light;
  for (const end of ends) {
    if (lastEpoch(after).electors.epoch === header.epoch) break;
    after = await settle(adoptEnd(after, end, proving.sha256), proving);
  }
  return after;
}

/** What shows that the header follows the newest; nothing where its own bytes do, or nothing can. */
async function pathFrom(
  light: LightChain,
  { source, header }: { readonly source: Source; readonly header: Header },
): Promise<readonly Uint8Array[]> {
  const { sequence } = light.newest.header;
  if (header.sequence <= sequence || isNext(light, header)) return [];
  const question = { type: 'history', sequence, of: header.sequence } as const;
  return (await askFor(source, 'history', question)).path;
}

/** Where the path fails: does the source hold another header in the place of the newest? */
async function forkOf(
  light: LightChain,
  of: {
    readonly source: Source;
    readonly sealed: Sealed;
    readonly path: readonly Uint8Array[];
  },
  { sha256 }: Proving,
): Promise<Judgement | null> {
  const { sequence } = light.newest.header;
  try {
    const question = { type: 'blocks', from: sequence, count: 1 } as const;
    const { blocks } = await askFor(of.source, 'blocks', question);
    const other = blocks[0]?.header;
    if (other === undefined) return null;
    const judgement = judgeFork(light, { ...of, other }, sha256);
    return isFault(judgement) ? null : judgement;
  } catch {
    // It cannot say: then the header is only unproven.
    return null;
  }
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

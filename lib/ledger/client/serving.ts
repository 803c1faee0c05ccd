import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import type { Connection } from './connection.ts';
import { rejected } from './light/chain.ts';
import { provenEntries } from './light/proofs.ts';
import { stands } from './light/trust.ts';
import { CLIENT_TIMES } from './limits.ts';
import { recordsFromAll, type Readers } from './reading.ts';
import { replyOf, type ReplyOf } from './source.ts';
import { FORGOTTEN, proven, sleep, submitToAll, type Certificate } from './submitting.ts';
import type { ChainBlock, Reply, SealSet } from './wire/answers.ts';
import { endsPage } from './wire/ends-page.ts';
import { isRefusal, refusalFault } from './wire/codes.ts';
import type { AskBlocks, Question, Read } from './wire/requests.ts';

interface Serving extends Readers {
  readonly timeoutMs: number;
}

/**
 * What the replicas have to say to somebody who asks one gateway instead of them all: shown to this client
 * first, so that f liars among them spoil nothing. Whoever asks verifies it again.
 * @throws FaultError `ledger/conflicting-certificates`
 */
export async function serve(question: Question, serving: Serving): Promise<Reply> {
  try {
    return await served(question, serving);
  } catch (error) {
    if (!isFault(error)) throw error;
    const retryAfterMs = Number(error.details['retryAfterMs'] ?? 0);
    if (isRefusal(error.code)) return { type: 'refused', code: error.code, retryAfterMs };
    // A link that ended, a time that is over, what no replica could show.
    if (error.code === 'ledger/conflicting-certificates') throw error;
    return { type: 'refused', code: 'ledger/no-quorum', retryAfterMs };
  }
}

async function served(question: Question, serving: Serving): Promise<Reply> {
  const { knowledge } = serving;
  switch (question.type) {
    case 'read':
      return records(question, serving);
    case 'outcome':
      return executed(question.id, serving);
    case 'submit':
      return submitted(question.transaction, serving);
    case 'blocks':
      return blocks(question, serving);
    case 'epoch-ends':
      await knowledge.loaded;
      return { type: 'epoch-ends', ends: endsPage(knowledge.endsFrom(question.from)) };
    case 'history':
      return agreed(question, { type: 'history', nameOf: pathName }, serving);
    case 'status':
      return agreed(question, { type: 'status', nameOf: ({ chain }) => toHex(chain) }, serving);
    default:
      // Lists that no root shows to be whole, and what goes on for ever.
      throw refusalFault('wire/malformed', 0);
  }
}

async function records({ at, keys, minSequence }: Read, serving: Serving): Promise<Reply> {
  const states = [at] as const;
  const { answer, certificate } = await recordsFromAll({ keys, minSequence, states }, serving);
  return { ...answer, seals: [sealsOf(certificate)] };
}

const sealsOf = ({ certified }: Certificate): SealSet => {
  const { header, headerHash: hash, seals } = certified;
  return { epoch: header.epoch, sequence: header.sequence, headerHash: hash, seals };
};

/** By any replica that shows it; refused as most of them do. */
function executed(id: Uint8Array, { connections, knowledge }: Serving): Promise<Reply> {
  return firstOf(connections, async (from) => {
    const reply = replyOf(await from.ask({ type: 'outcome', id }), 'executed');
    const done = await proven(reply, { from, knowledge, id });
    if (done === null) throw rejected('an outcome that too few have sealed');
    return { ...reply, seals: [sealsOf(done.certificate)] };
  });
}

async function submitted(transaction: Uint8Array, serving: Serving): Promise<Reply> {
  const read = readTransaction(transaction, serving.knowledge.sha256);
  if (isFault(read)) throw read;
  const done = await submitToAll({ id: read.id, transaction }, serving);
  if (done === FORGOTTEN) throw refusalFault('request/not-found', 0);
  return executed(read.id, serving);
}

/** From one replica after the other, until what one gives is in the history of the newest certified header. */
async function blocks(question: AskBlocks, serving: Serving): Promise<Reply> {
  const { connections, knowledge } = serving;
  if (question.from > knowledge.newest.header.sequence) {
    const minSequence = question.from;
    await recordsFromAll({ keys: [], minSequence, states: ['newest', 'certified'] }, serving);
  }
  return inTurn(connections, async (from) => {
    const reply = replyOf(await from.ask(question), 'blocks');
    const shown = await shownBlocks(reply, { question, from, serving });
    return { type: 'blocks', blocks: shown };
  });
}

/** Those up to the newest certified header, without SEALs: they hang on it by its history. */
async function shownBlocks(
  { blocks: given }: ReplyOf<'blocks'>,
  of: { readonly question: AskBlocks; readonly from: Connection; readonly serving: Serving },
): Promise<ChainBlock[]> {
  const { newest, sha256 } = of.serving.knowledge;
  const below = given.filter(({ header }) => header.sequence <= newest.header.sequence);
  let next = of.question.from;
  let last: { readonly sequence: number; readonly headerHash: Uint8Array } | null = null;
  for (const block of below) {
    const { header } = block;
    const follows = last === null || bytesEqual(header.prevHeaderHash, last.headerHash);
    if (header.sequence !== next || !follows)
      throw rejected('blocks that do not follow one another');
    const entries = provenEntries(block, sha256);
    if (isFault(entries)) throw entries;
    last = { sequence: header.sequence, headerHash: headerHash(header, sha256) };
    next += 1;
  }
  if (last === null) throw new FaultError('ledger/stale', 'the block is not certified yet');
  if (!(await stands(newest, { ...last, source: of.from }, sha256))) {
    throw rejected('the blocks are not of this chain');
  }
  return below.map((block) => ({ ...block, seals: [] }));
}

/** What f + 1 replicas give alike. @throws FaultError what most of the others say */
function agreed<T extends Reply['type']>(
  question: Question,
  of: { readonly type: T; readonly nameOf: (reply: ReplyOf<T>) => string },
  { connections, knowledge }: Serving,
): Promise<Reply> {
  const counts = new Map<string, number>();
  return firstOf(connections, async (from) => {
    const reply = replyOf(await from.ask(question), of.type);
    const name = of.nameOf(reply);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count < knowledge.weakQuorum) throw rejected('an answer that too few give');
    return reply;
  });
}

const pathName = ({ path }: ReplyOf<'history'>): string => path.map(toHex).join();

/** The first that goes well, of all at once. @throws FaultError the most frequent fault where none does */
async function firstOf(
  connections: readonly Connection[],
  ask: (from: Connection) => Promise<Reply>,
): Promise<Reply> {
  try {
    return await Promise.any(connections.map(ask));
  } catch (error) {
    throw error instanceof AggregateError ? mostFrequent(error.errors) : error;
  }
}

/**
 * The first that goes well, of one after the other: the next is asked where one fails, or keeps us waiting.
 * @throws FaultError as `firstOf`
 */
function inTurn(
  connections: readonly Connection[],
  ask: (from: Connection) => Promise<Reply>,
): Promise<Reply> {
  let isDone = false;
  let turn: Promise<unknown> = Promise.resolve();
  return firstOf(connections, async (from) => {
    const own = turn.then(() => (isDone ? never() : ask(from)));
    const failed = own.then(never, () => undefined);
    turn = turn.then(() =>
      isDone ? never() : Promise.race([failed, sleep(CLIENT_TIMES.retryMs)]),
    );
    const reply = await own;
    isDone = true;
    return reply;
  });
}

/** One each time: what waits for a promise stays with it. */
const never = (): Promise<never> => new Promise(() => undefined);

function mostFrequent(errors: readonly unknown[]): unknown {
  const codes = errors.map((error) => (isFault(error) ? error.code : ''));
  const countOf = (code: string): number => codes.filter((each) => each === code).length;
  const fork = codes.indexOf('ledger/conflicting-certificates');
  const most = codes.reduce((best, code) => (countOf(code) > countOf(best) ? code : best));
  return errors[fork >= 0 ? fork : codes.indexOf(most)];
}

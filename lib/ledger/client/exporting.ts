import { must } from '#lib/kernel/assert.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { replyOf, type ReplyOf, type Source } from './source.ts';
import type { Readers } from './reading.ts';
import { isCertificate } from './submitting.ts';
import type { Exchange } from './transcript.ts';
import type { ChainBlock, Reply } from './wire/answers.ts';
import type { Question } from './wire/requests.ts';

/**
 * Epoch ends and these blocks as one replica has them, the last with all SEALs that any has.
 * @throws FaultError `request/not-found` no replica keeps them; `ledger/no-quorum` too few have sealed
 * the last
 */
export async function transcriptFrom(
  of: { readonly fromSequence: number; readonly count: number },
  readers: Readers,
): Promise<Exchange[]> {
  const { fromSequence: first, count } = of;
  const exchanges: Exchange[] = await allEnds(readers);
  for (let from = first; from < first + count;) {
    const most = Math.min(CLIENT_LIMITS.blocksMax, first + count - from);
    const question = { type: 'blocks', from, count: most } as const;
    const { reply } = await askAny(question, 'blocks', readers);
    const blocks = reply.blocks.slice(0, most);
    const last = must(blocks.pop(), 'an answer with blocks has one');
    blocks.push(await withAllSeals(last, readers));
    exchanges.push({ question, reply: { type: 'blocks', blocks } });
    from += blocks.length;
  }
  return exchanges;
}

/** Page by page; the first, which may be empty, says that no epoch has ended. */
async function allEnds(readers: Readers): Promise<Exchange[]> {
  const pages: Exchange[] = [];
  for (let from = 0; ;) {
    const page = await askAny({ type: 'epoch-ends', from }, 'epoch-ends', readers);
    const { ends } = page.reply;
    if (pages.length === 0 || ends.length > 0) pages.push(page);
    if (ends.length === 0) return pages;
    from += ends.length;
  }
}

async function askAny<T extends Reply['type']>(
  question: Question,
  type: T,
  { connections }: Readers,
): Promise<Exchange & { readonly reply: ReplyOf<T> }> {
  let failure = new FaultError('ledger/no-quorum', 'no replica answers');
  for (const source of connections) {
    try {
      const reply = replyOf(await source.ask(question), type);
      const isEmpty = 'blocks' in reply && reply.blocks.length === 0;
      if (!isEmpty) return { question, reply };
    } catch (error) {
      if (!isFault(error)) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** The block with the SEALs of all that have executed it. */
async function withAllSeals(block: ChainBlock, readers: Readers): Promise<ChainBlock> {
  const { connections, knowledge } = readers;
  const { header } = block;
  const { epoch, sequence } = header;
  const hash = headerHash(header, knowledge.sha256);
  const count = async (from: Source, seals: ChainBlock['seals']): Promise<ChainBlock['seals']> => {
    const set = { epoch, sequence, headerHash: hash, seals };
    const judged = await knowledge.judge(from, { header, seals: [set] });
    return isCertificate(judged) && judged.weight === 'header' ? judged.certified.seals : [];
  };
  for (const from of connections) {
    const question = { type: 'blocks', from: sequence, count: 1 } as const;
    const reply = await from.ask(question).catch(() => null);
    const other = reply?.type === 'blocks' ? reply.blocks[0] : undefined;
    const seals = await count(from, other?.seals ?? []);
    if (seals.length > 0) return { ...block, seals };
  }
  throw new FaultError('ledger/no-quorum', `too few replicas have sealed block ${sequence} yet`);
}

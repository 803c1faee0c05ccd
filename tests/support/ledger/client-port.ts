import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { prove } from '#lib/ledger/account/state.ts';
import { openHoldIds } from '#lib/ledger/account/indexes.ts';
import { ledgerState } from '#lib/ledger/application/application.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import type { Source } from '#lib/ledger/client/source.ts';
import {
  decodeAnswer,
  encodeAnswer,
  type ProvenRecord,
  type Reply,
  type SealSet,
} from '#lib/ledger/client/wire/answers.ts';
import { decodeRequest, encodeRequest, type Question } from '#lib/ledger/client/wire/requests.ts';
import { merklePaths } from '#lib/ledger/crypto/merkle.ts';
import { rangePath } from '#lib/ledger/crypto/mountain-range.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { trieProve } from '#lib/ledger/crypto/trie/proof.ts';
import { trieGet } from '#lib/ledger/crypto/trie/read.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { ChainHead } from '#lib/ledger/pbft/state.ts';
import type { LocalCluster, LocalReplica } from './local-cluster.ts';

const notFound: Reply = { type: 'refused', code: 'request/not-found', retryAfterMs: 0 };

/** What one replica of a cluster in memory answers on its client port. */
export function answerOf(replica: LocalReplica, question: Question): Reply {
  switch (question.type) {
    case 'outcome':
      return executed(replica, toHex(question.id));
    case 'read': {
      const { at, keys, minSequence } = question;
      const head = headAt(replica, at);
      if (head.sequence < minSequence) {
        return { type: 'refused', code: 'ledger/stale', retryAfterMs: 0 };
      }
      const { trie } = ledgerState(head.app);
      const records = keys.map((key) => ({
        value: trieGet(trie, key),
        proof: trieProve(trie, key, nodeSha256),
      }));
      return {
        type: 'records',
        header: head.header,
        seals: sealsOf(replica, head.header),
        records,
      };
    }
    case 'open-holds':
      return openHolds(replica, question);
    case 'blocks': {
      const blocks = [];
      for (let at = question.from; at < question.from + question.count; at += 1) {
        const block = replica.blocks.get(at);
        if (block === undefined) break;
        const { header, batch, results } = block;
        const seals = sealsOf(replica, header)[0]?.seals ?? [];
        blocks.push({ header, seals, batch: batch.bytes, results });
      }
      return blocks.length === 0 ? notFound : { type: 'blocks', blocks };
    }
    case 'epoch-ends': {
      const ends = replica.state.epochEnds.filter(({ header }) => header.epoch >= question.from);
      return { type: 'epoch-ends', ends };
    }
    case 'history': {
      if (question.of > replica.state.head.sequence + 1) return notFound;
      const place = { index: question.sequence, size: question.of };
      const nodeAt = (level: number, index: number) =>
        must(replica.nodes.get(`${level}/${index}`), 'a node of the range');
      return { type: 'history', path: rangePath(place, nodeAt, nodeSha256) };
    }
    case 'status': {
      const { state } = replica;
      return {
        ...{ type: 'status', chain: state.env.chain, epoch: state.constitution.epoch },
        ...{ view: state.view, executed: state.head.sequence, stable: state.stable.sequence },
        ...{ firstBlock: 1, timeMs: state.head.header.timeMs, peers: 3 },
      };
    }
    default:
      return { type: 'refused', code: 'wire/malformed', retryAfterMs: 0 };
  }
}

function headAt({ state }: LocalReplica, at: 'newest' | 'certified'): ChainHead {
  if (at === 'newest') return state.head;
  return must(state.checkpoints.get(state.stable.sequence), 'the stable checkpoint is kept');
}

/** The header's set first, then the replica's own SEALs of the blocks around it. */
function sealsOf(replica: LocalReplica, header: Header): SealSet[] {
  const { stable } = replica.state;
  const sets: SealSet[] = [];
  const near = [...replica.blocks.values()].reverse().slice(0, CLIENT_LIMITS.sealSetsMax - 1);
  const own = replica.blocks.get(header.sequence);
  for (const { header: each, seal } of own === undefined ? near : [own, ...near]) {
    if (sets.some(({ sequence }) => sequence === each.sequence)) continue;
    const isStable = stable.sequence === each.sequence && stable.seals.length > 0;
    if (isStable) sets.push(stable);
    else if (seal !== null) sets.push({ ...seal, seals: [seal] });
  }
  return sets;
}

function executed(replica: LocalReplica, id: string): Reply {
  for (const { header, batch, results } of replica.blocks.values()) {
    const index = batch.ids.indexOf(id);
    if (index < 0) continue;
    return {
      ...{ type: 'executed', header, seals: sealsOf(replica, header) },
      ...{ result: must(results[index], 'a result each'), index, count: results.length },
      path: must(merklePaths(results, nodeSha256)[index], 'a path each'),
    };
  }
  return notFound;
}

function openHolds(
  replica: LocalReplica,
  { gateway, after }: Extract<Question, { type: 'open-holds' }>,
): Reply {
  const { head } = replica.state;
  const state = ledgerState(head.app);
  const ids = openHoldIds(state.indexes, { gateway, after }, CLIENT_LIMITS.holdsMax);
  const records: ProvenRecord[] = ids.map((id) => prove(state, ['hold', id], nodeSha256));
  return { type: 'records', header: head.header, seals: sealsOf(replica, head.header), records };
}

/** A gateway that follows all replicas: one's answer, with the SEALs of all beside it. */
export function gatewayAnswer(cluster: LocalCluster, question: Question): Reply {
  const reply = answerOf(cluster.replica(0), question);
  if (reply.type !== 'records' && reply.type !== 'executed') return reply;
  return { ...reply, seals: [allSeals(cluster, reply.header)] };
}

/** The same by a server that says of its newest block whatever it is asked for. */
export const eagerAnswer = (cluster: LocalCluster, question: Question): Reply =>
  gatewayAnswer(
    cluster,
    question.type === 'read' ? { ...question, at: 'newest', minSequence: 0 } : question,
  );

/** SEALs of this header by every replica that has executed it. */
export function allSeals(cluster: LocalCluster, header: Header): SealSet {
  const { epoch, sequence } = header;
  const seals = cluster.replicas.flatMap(({ blocks }) => blocks.get(sequence)?.seal ?? []);
  const hash = headerHash(header, nodeSha256);
  const signed = seals.map(({ replica, signature }) => ({ replica, signature }));
  return {
    ...{ epoch, sequence, headerHash: hash },
    seals: signed.sort((a, b) => a.replica - b.replica),
  };
}

/** Changes an answer on its way, where a test wants a lie. */
export type Lie = (reply: Reply, question: Question) => Reply;

/** A source that answers from memory, by way of its bytes. */
export const sourceOf = (
  answer: (question: Question) => Reply,
  lie: Lie = (reply) => reply,
): Source => ({
  name: 'test',
  ask(question) {
    const asked = decodeRequest(encodeRequest({ ...question, tag: 1 }));
    if (isFault(asked)) return Promise.reject(asked);
    const reply = decodeAnswer(encodeAnswer({ ...lie(answer(asked), asked), tag: 1 }));
    return isFault(reply) ? Promise.reject(reply) : Promise.resolve(reply);
  },
});

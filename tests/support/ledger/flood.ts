import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { isFault } from '#lib/kernel/errors.ts';
import type { Random } from '#lib/kernel/random.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { decodeRequest, encodeRequest } from '#lib/ledger/client/wire/requests.ts';
import { decodeAnswer } from '#lib/ledger/client/wire/answers.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import { decodeMessage, encodeMessage, type Message } from '#lib/ledger/pbft/messages/message.ts';
import { signedBytes } from '#lib/ledger/pbft/messages/signing.ts';
import { voteBodyBytes } from '#lib/ledger/pbft/messages/vote.ts';
import type { Identity } from '#server/replica/transport/certificate.ts';
import { FrameReader, frameOf } from '#server/replica/transport/frames.ts';
import { decodePing, encodePing } from '#server/replica/transport/ping.ts';
import { CLIENT_PROTOCOL, REPLICA_PROTOCOL, dialTls } from '#server/replica/transport/tls.ts';

export const bytesOf = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(256));

/** Some bytes of it are others, or its end is missing. */
export function mutated(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  for (let flips = 1 + random.below(4); flips > 0; flips -= 1) {
    copy[random.below(copy.length)] = random.below(256);
  }
  return random.chance(0.1) ? copy.subarray(0, 1 + random.below(copy.length)) : copy;
}

/** Frames that a port reads as such: what is none ends the connection, and a flood with it. */
export interface Flood {
  readonly protocol: string;
  readonly identity: Identity | null;
  readonly frame: () => Uint8Array;
  readonly heard: (frame: Uint8Array) => void;
  /** A question whose answer shows that all before it was looked at. */
  readonly last: Uint8Array;
  readonly isLast: (answer: Uint8Array) => boolean;
}

/** Many thousand a second, and a core is left to who is flooded. */
const TOGETHER = 32;
const PAUSE_MS = 2;

/** So many frames to a port of this machine, as fast as they are taken, or nearly. @returns how often it was thrown out. */
export async function flood(
  { protocol, identity, frame, heard, last, isLast }: Flood,
  port: number,
  count: number,
): Promise<number> {
  let left = count;
  const answered: { last: boolean } = { last: false };
  const listen = (bytes: Uint8Array): void => {
    answered.last ||= isLast(bytes);
    heard(bytes);
  };
  for (let again = 0; ; again += 1) {
    const socket = await dialled(port, { protocol, identity, heard: listen });
    if (socket === null) {
      await sleep(50);
      continue;
    }
    // What others say is what is changed.
    await sleep(300);
    while (left > 0 && !socket.destroyed) {
      left -= 1;
      const isFull = !socket.write(frameOf(frame()));
      if (isFull) await drained(socket);
      // The transactions that are measured are of this process, too.
      else if (left % TOGETHER === 0) await sleep(PAUSE_MS);
    }
    if (left > 0) continue;
    socket.write(frameOf(last));
    while (!socket.destroyed && !answered.last) await sleep(20);
    socket.destroy();
    if (answered.last) return again;
  }
}

function drained(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

function dialled(
  port: number,
  { protocol, identity, heard }: Pick<Flood, 'protocol' | 'identity' | 'heard'>,
): Promise<TLSSocket | null> {
  return new Promise((resolve) => {
    dialTls(
      { host: '127.0.0.1', port },
      {
        ...{ protocol, identity, onFailed: () => resolve(null) },
        onSecure: (socket) => {
          const reader = new FrameReader(LIMITS.frameBytesMax);
          socket.on('data', (chunk: Buffer) => {
            for (const each of reader.push(chunk)) heard(each.slice());
          });
          resolve(socket);
        },
      },
    );
  });
}

const CORPUS_MAX = 256;
const MARK = 424_242;

/** A member gone bad: it has both its keys, and says anything that is a message. */
export function memberFlood(of: {
  readonly identity: Identity;
  readonly vote: Signer;
  readonly replica: number;
  readonly chain: Uint8Array;
  readonly random: Random;
}): Flood {
  const { random, vote, replica, chain } = of;
  const corpus: Uint8Array[] = [];
  let newest = 1;
  const signed = (): Uint8Array => {
    const type = random.pick(['prepare', 'commit'] as const);
    const digest = bytesOf(random, 32);
    const sequence = newest + random.below(8);
    const body = { epoch: 0, view: random.below(3), sequence, digest, replica };
    const signature = vote.sign(signedBytes(type, chain, voteBodyBytes(body)));
    return encodeMessage({ type, ...body, signature });
  };
  const frame = (): Uint8Array => {
    for (let tries = 0; corpus.length > 0 && tries < 20; tries += 1) {
      const [known, isSame] = [random.pick(corpus), random.chance(0.2)];
      const bytes = isSame ? known : mutated(random, known);
      if (bytes[0] !== 0 && !isFault(decodeMessage(bytes))) return bytes;
    }
    return signed();
  };
  return {
    ...{ protocol: REPLICA_PROTOCOL, identity: of.identity },
    last: encodePing({ kind: 'ask', sentAt: MARK }),
    isLast(bytes) {
      const ping = decodePing(bytes);
      return ping?.kind === 'answer' && ping.sentAt === MARK;
    },
    frame: () => (random.chance(0.2) ? signed() : frame()),
    heard(bytes) {
      const message: Message | Error = decodeMessage(bytes);
      if (isFault(message)) return;
      if ('sequence' in message) newest = Math.max(newest, message.sequence);
      if (corpus.length < CORPUS_MAX) corpus.push(bytes);
      else corpus[random.below(CORPUS_MAX)] = bytes;
    },
  };
}

const LAST_TAG = 2 ** 32 - 1;

/** A client that asks for anything. */
export function clientFlood(transaction: Uint8Array, random: Random): Flood {
  const hash = (): Uint8Array => bytesOf(random, 32);
  const submit = encodeRequest({ tag: 1, type: 'submit', transaction });
  const made = (): Uint8Array => {
    const tag = random.below(2 ** 31);
    switch (random.below(6)) {
      case 0:
        return encodeRequest({ tag, type: 'outcome', id: hash() });
      case 1:
        return encodeRequest({ tag, type: 'status' });
      case 2:
        return encodeRequest({ tag, type: 'read', at: 'newest', minSequence: 0, keys: [hash()] });
      case 3:
        return encodeRequest({ tag, type: 'history', sequence: 1, of: 2 + random.below(1e6) });
      default: {
        const bytes = mutated(random, submit);
        return isFault(decodeRequest(bytes)) ? submit : bytes;
      }
    }
  };
  return {
    ...{ protocol: CLIENT_PROTOCOL, identity: null, frame: made, heard: () => undefined },
    last: encodeRequest({ tag: LAST_TAG, type: 'status' }),
    isLast(bytes) {
      const answer = decodeAnswer(bytes);
      return !isFault(answer) && answer.tag === LAST_TAG;
    },
  };
}

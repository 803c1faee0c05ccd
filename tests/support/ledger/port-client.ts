import type { TLSSocket } from 'node:tls';
import { isFault } from '#lib/kernel/errors.ts';
import { decodeAnswer, type Answer } from '#lib/ledger/client/wire/answers.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import { encodeRequest, type ClientRequest } from '#lib/ledger/client/wire/requests.ts';
import { FrameReader, frameOf } from '#server/replica/transport/frames.ts';
import { CLIENT_PROTOCOL, dialTls } from '#server/replica/transport/tls.ts';

type Tagless<T> = T extends unknown ? Omit<T, 'tag'> : never;

/** The client port's frames and nothing more: what a replica says is taken as it is. */
export class PortClient {
  readonly #socket: TLSSocket;
  readonly #waiting = new Map<number, (answer: Answer | null) => void>();
  readonly #listeners = new Map<number, (answer: Answer) => void>();
  #tag = 0;
  isOpen = true;
  /** Answers with tag 0: of no request. */
  readonly untagged: Answer[] = [];

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    const reader = new FrameReader(CLIENT_LIMITS.answerBytesMax);
    socket.on('data', (chunk: Buffer) => {
      for (const frame of reader.push(chunk)) this.#take(frame);
    });
    socket.on('close', () => {
      this.isOpen = false;
      for (const done of this.#waiting.values()) done(null);
      this.#waiting.clear();
    });
  }

  /** Null where nobody listens. */
  static connect(port: number): Promise<PortClient | null> {
    return new Promise((resolve) => {
      dialTls(
        { host: '127.0.0.1', port },
        {
          ...{ protocol: CLIENT_PROTOCOL, identity: null },
          onSecure: (socket) => resolve(new PortClient(socket)),
          onFailed: () => resolve(null),
        },
      );
    });
  }

  /** The answer; null where the connection ended before. */
  ask(request: Tagless<ClientRequest>): Promise<Answer | null> {
    this.#tag += 1;
    const tag = this.#tag;
    if (!this.isOpen) return Promise.resolve(null);
    this.#socket.write(frameOf(encodeRequest({ tag, ...request })));
    return new Promise((resolve) => this.#waiting.set(tag, resolve));
  }

  /** Every answer to it. @returns its tag. */
  subscribe(from: number, listener: (answer: Answer) => void): number {
    this.#tag += 1;
    this.#listeners.set(this.#tag, listener);
    this.raw(frameOf(encodeRequest({ tag: this.#tag, type: 'subscribe', from })));
    return this.#tag;
  }

  raw(bytes: Uint8Array): void {
    if (this.isOpen) this.#socket.write(bytes);
  }

  get socket(): TLSSocket {
    return this.#socket;
  }

  closed(): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    return new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(frame: Uint8Array): void {
    const answer = decodeAnswer(frame);
    if (isFault(answer)) throw answer;
    if (answer.tag === 0) this.untagged.push(answer);
    this.#listeners.get(answer.tag)?.(answer);
    this.#waiting.get(answer.tag)?.(answer);
    this.#waiting.delete(answer.tag);
  }
}

import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { CLIENT_TIMES } from './limits.ts';
import type { Source } from './source.ts';
import { decodeAnswer, type Reply } from './wire/answers.ts';
import { encodeRequest, type Question } from './wire/requests.ts';

/** One connection to a replica's client port. Frames come whole and within bounds. */
export interface ReplicaLink {
  /** False where it was dropped: too much waits, or the connection is over. */
  send(frame: Uint8Array): boolean;
  close(): void;
}

export interface LinkHandlers {
  readonly onOpen: () => void;
  readonly onFrame: (bytes: Uint8Array) => void;
  /** Once, also where it never opened. */
  readonly onClose: () => void;
}

/** A replica to be reached. */
export interface Endpoint {
  /** For people: an address. */
  readonly name: string;
  readonly dial: (handlers: LinkHandlers) => ReplicaLink;
}

interface Waiting {
  readonly onReply: (reply: Reply) => void;
  readonly onLost: () => void;
}

const lost = (name: string): FaultError =>
  new FaultError('mesh/closed', `the connection to ${name} ended before the answer`);

/** A replica's link that is dialled again when it ends, and what was asked over it. */
export class Connection implements Source {
  readonly #endpoint: Endpoint;
  readonly #waiting = new Map<number, Waiting>();
  readonly #opened = new Set<() => void>();
  /** Told when the dialling under way has ended, well or not. */
  readonly #dialEnds = new Set<() => void>();
  #link: ReplicaLink | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #delayMs: number = CLIENT_TIMES.redialMsMin;
  /** Until when it is not dialled for what it sent, and for how long that was. */
  #shunned = { until: -Infinity, ms: 0 };
  #tag = 0;
  #isClosed = false;
  #isDialling = false;
  isOpen = false;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.#dial();
  }

  get name(): string {
    return this.#endpoint.name;
  }

  /**
   * One question, one answer. A link that is being made is waited for, one that has failed is not.
   * @throws FaultError `mesh/closed`, `kernel/timeout`
   */
  async ask(question: Question, timeoutMs: number = CLIENT_TIMES.answerMs): Promise<Reply> {
    if (this.#isDialling) await this.#dialled();
    return this.#asked(question, timeoutMs);
  }

  #asked(question: Question, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const end = this.stream(question, {
        onReply: (reply) => {
          stop();
          resolve(reply);
        },
        onLost: () => {
          stop();
          reject(lost(this.name));
        },
      });
      const timer = setTimeout(() => {
        end();
        reject(new FaultError('kernel/timeout', `${this.name} does not answer`));
      }, timeoutMs);
      const stop = (): void => {
        clearTimeout(timer);
        end();
      };
    });
  }

  /** One question, any number of answers until the returned function is called, or the link ends. */
  stream(question: Question, waiting: Waiting): () => void {
    this.#tag = (this.#tag % 0xffff_ffff) + 1;
    const tag = this.#tag;
    this.#waiting.set(tag, waiting);
    const frame = encodeRequest({ ...question, tag });
    if (!this.isOpen || this.#link?.send(frame) !== true) {
      this.#waiting.delete(tag);
      queueMicrotask(waiting.onLost);
    }
    return () => {
      const wasWaiting = this.#waiting.delete(tag);
      if (wasWaiting && this.isOpen && question.type === 'subscribe') {
        this.#link?.send(encodeRequest({ type: 'unsubscribe', tag }));
      }
    };
  }

  /** Resolves when the link is open, or for good when this is closed. */
  opened(): Promise<void> {
    return new Promise((resolve) => this.whenOpen(resolve));
  }

  /** The same by a call. @returns to be called by who does not wait any more. */
  whenOpen(then: () => void): () => void {
    if (this.isOpen || this.#isClosed) {
      then();
      return () => undefined;
    }
    this.#opened.add(then);
    return () => this.#opened.delete(then);
  }

  /** Questions without their last answer, and who waits for the link. */
  get waiting(): number {
    return this.#waiting.size + this.#opened.size;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#link?.close();
    this.#wake();
  }

  #dialled(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLIENT_TIMES.connectMs);
      this.#dialEnds.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #endDial(): void {
    this.#isDialling = false;
    for (const resolve of this.#dialEnds) resolve();
    this.#dialEnds.clear();
  }

  #dial(): void {
    let isOver = false;
    this.#isDialling = true;
    const link = this.#endpoint.dial({
      onOpen: () => {
        if (isOver || this.#isClosed) return;
        this.isOpen = true;
        this.#endDial();
        this.#delayMs = CLIENT_TIMES.redialMsMin;
        this.#wake();
      },
      onFrame: (bytes) => {
        if (!isOver) this.#onFrame(bytes);
      },
      onClose: () => {
        if (isOver) return;
        isOver = true;
        this.#onClose();
      },
    });
    this.#link = link;
  }

  #onFrame(bytes: Uint8Array): void {
    const answer = decodeAnswer(bytes);
    if (!isFault(answer)) {
      this.#waiting.get(answer.tag)?.onReply(answer);
      return;
    }
    this.#shun();
    this.#link?.close();
  }

  /** Who says what cannot be read will hardly be understood soon: it is dialled later, and later each time. */
  #shun(): void {
    const { shunMsMin, shunMsMax } = CLIENT_TIMES;
    const now = performance.now();
    const { until, ms } = this.#shunned;
    const isSoon = now - until < shunMsMax;
    const next = isSoon ? Math.min(2 * ms, shunMsMax) : shunMsMin;
    this.#shunned = { until: now + next, ms: next };
  }

  #onClose(): void {
    this.isOpen = false;
    this.#endDial();
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const each of waiting) each.onLost();
    if (this.#isClosed) return;
    const shunnedMs = this.#shunned.until - performance.now();
    this.#timer = setTimeout(() => this.#dial(), Math.max(this.#delayMs, shunnedMs));
    this.#delayMs = Math.min(2 * this.#delayMs, CLIENT_TIMES.redialMsMax);
  }

  #wake(): void {
    for (const resolve of this.#opened) resolve();
    this.#opened.clear();
  }
}

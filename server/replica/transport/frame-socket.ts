import type { Socket } from 'node:net';
import { toFault, type FaultError } from '#lib/kernel/errors.ts';
import { REPLICA_LIMITS, REPLICA_TIMES } from '../limits.ts';
import { Allowance, type AllowanceRate } from './allowance.ts';
import { FrameReader, framesOf } from './frames.ts';
import type { Turns } from './turns.ts';

export interface FrameSocketOptions {
  readonly frameBytesMax: number;
  /** What may wait for the other end to read. */
  readonly queueBytesMax: number;
  /** With whom it shares the time for its frames. */
  readonly turns: Turns;
  /** Of a stranger, for frames that bring nothing. Left out: of somebody whom we chose to ask. */
  readonly allowance?: AllowanceRate;
  /** @returns how many ms it cost for nothing. */
  readonly onFrame: (bytes: Uint8Array) => number;
  /** @param fault what was wrong with the stream: `wire/too-large`, `wire/malformed`; null: nothing. */
  readonly onClose: (fault: FaultError | null) => void;
}

/** Frames over a connection whose other end is known. Frames come one by one; sending never waits. */
export class FrameSocket {
  readonly #socket: Socket;
  readonly #options: FrameSocketOptions;
  readonly #reader: FrameReader;
  readonly #allowance: Allowance | null;
  /** Whole frames that came and were not looked at yet, and their bytes. */
  #frames: Uint8Array[] = [];
  #waitingInBytes = 0;
  #hasTurn = false;
  /** What was sent in this turn and is not written yet. */
  #said: Uint8Array[] = [];
  #saidBytes = 0;
  #debt: NodeJS.Timeout | null = null;
  #isClosed = false;
  #fault: FaultError | null = null;
  /** Who waits until the other end has read: any number of subscriptions. */
  #waiting: (() => void)[] = [];

  constructor(socket: Socket, options: FrameSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader(options.frameBytesMax);
    const { allowance } = options;
    this.#allowance = allowance ? new Allowance(allowance, performance.now()) : null;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('drain', () => this.#wake());
    socket.on('close', () => {
      this.#end();
      this.#wake();
      options.onClose(this.#fault);
    });
  }

  /** False where it was dropped: too much waits already, or the connection is over. */
  send(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.waitingBytes + bytes.length > this.#options.queueBytesMax) {
      return false;
    }
    // What is said in one turn leaves in one write, and in one record.
    if (this.#said.length === 0) process.nextTick(() => this.#flush());
    this.#said.push(bytes);
    this.#saidBytes += bytes.length;
    return true;
  }

  #flush(): void {
    if (this.#said.length === 0) return;
    this.#socket.write(framesOf(this.#said));
    this.#said = [];
    this.#saidBytes = 0;
  }

  /** Of somebody who is known for more by now. */
  allow(rate: AllowanceRate): void {
    this.#allowance?.become(rate);
  }

  get waitingBytes(): number {
    return this.#socket.writableLength + this.#saidBytes;
  }

  /** A frame has begun, and its end has not come although we read. */
  get isWithinFrame(): boolean {
    return this.#reader.isWithin && !this.#socket.isPaused();
  }

  /** Resolves when the other end has read enough, or is gone. */
  drained(): Promise<void> {
    this.#flush();
    if (!this.#socket.writableNeedDrain || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Sends what waits, then ends; `now`: at once. No frame is looked at any more. */
  close(how: 'after' | 'now' = 'now'): void {
    if (how === 'after') this.#flush();
    this.#end();
    if (how === 'now') this.#socket.destroy();
    // Its end is seen only by who reads.
    else this.#socket.end().resume();
    // Who goes on sending never closes.
    setTimeout(() => this.#socket.destroy(), REPLICA_TIMES.closeMs).unref();
  }

  #end(): void {
    this.#isClosed = true;
    this.#frames = [];
    this.#said = [];
    this.#saidBytes = 0;
    clearTimeout(this.#debt ?? undefined);
  }

  #take(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      for (const frame of this.#reader.push(chunk)) {
        this.#frames.push(frame);
        this.#waitingInBytes += frame.length;
      }
    } catch (error) {
      this.#fault = toFault(error, 'wire/malformed');
      this.#socket.destroy();
      return;
    }
    this.#askTurn();
    const { framesWaitingMax, frameBytesWaitingMax } = REPLICA_LIMITS;
    const isMuch = this.#waitingInBytes > frameBytesWaitingMax;
    if (isMuch || this.#frames.length > framesWaitingMax) this.#socket.pause();
  }

  #askTurn(): void {
    if (this.#hasTurn || this.#debt !== null || this.#frames.length === 0) return;
    this.#hasTurn = true;
    this.#options.turns.add(() => {
      this.#hasTurn = this.#takeOne();
      return this.#hasTurn;
    });
  }

  /** True: there is more. */
  #takeOne(): boolean {
    const frame = this.#frames.shift();
    if (frame === undefined) return false;
    this.#waitingInBytes -= frame.length;
    const vainMs = this.#options.onFrame(frame);
    const debtMs = vainMs > 0 ? (this.#allowance?.spend(vainMs, performance.now()) ?? 0) : 0;
    if (this.#isClosed) return false;
    if (debtMs > 0) {
      this.#rest(debtMs);
      return false;
    }
    if (this.#frames.length === 0) this.#socket.resume();
    return this.#frames.length > 0;
  }

  /** Not read for so long. */
  #rest(ms: number): void {
    this.#socket.pause();
    this.#debt = setTimeout(() => {
      this.#debt = null;
      this.#askTurn();
      if (this.#frames.length === 0) this.#socket.resume();
    }, Math.ceil(ms));
  }
}

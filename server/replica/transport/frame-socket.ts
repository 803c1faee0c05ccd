import type { TLSSocket } from 'node:tls';
import { REPLICA_TIMES } from '../limits.ts';
import { FrameReader, frameOf } from './frames.ts';

export interface FrameSocketOptions {
  readonly frameBytesMax: number;
  /** What may wait for the other end to read. */
  readonly queueBytesMax: number;
  readonly onFrame: (bytes: Uint8Array) => void;
  readonly onClose: () => void;
}

/** Frames over a connection whose other end is known. Frames come one by one; sending never waits. */
export class FrameSocket {
  readonly #socket: TLSSocket;
  readonly #options: FrameSocketOptions;
  readonly #reader: FrameReader;
  /** Whole frames that came and were not looked at yet: less than one read's worth. */
  #frames: Uint8Array[] = [];
  #isPaused = false;
  #isCorked = false;
  #isClosed = false;

  constructor(socket: TLSSocket, options: FrameSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#reader = new FrameReader(options.frameBytesMax);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('close', () => {
      this.#isClosed = true;
      options.onClose();
    });
  }

  /** False where it was dropped: too much waits already, or the connection is over. */
  send(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.waitingBytes + bytes.length > this.#options.queueBytesMax) {
      return false;
    }
    if (!this.#isCorked) {
      // What is said in one turn leaves in one record.
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frameOf(bytes));
    return true;
  }

  get waitingBytes(): number {
    return this.#socket.writableLength;
  }

  /** A frame has begun, and its end has not come. */
  get isWithinFrame(): boolean {
    return this.#reader.isWithin;
  }

  /** Resolves when the other end has read enough, or is gone. */
  drained(): Promise<void> {
    if (!this.#socket.writableNeedDrain || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }

  /** Sends what waits, then ends; `now`: at once. */
  close(how: 'after' | 'now' = 'now'): void {
    if (how === 'after') this.#socket.end();
    else this.#socket.destroy();
  }

  #take(chunk: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      this.#frames.push(...this.#reader.push(chunk));
    } catch (error) {
      this.#isClosed = true;
      this.#socket.destroy(error instanceof Error ? error : undefined);
    }
    if (!this.#isPaused) this.#turn();
  }

  /** A slice of time for this connection; then others have theirs, and this one is not read meanwhile. */
  #turn(): void {
    const end = performance.now() + REPLICA_TIMES.linkSliceMs;
    let done = 0;
    do {
      const frame = this.#frames[done];
      if (frame === undefined || this.#isClosed) break;
      done += 1;
      this.#options.onFrame(frame);
    } while (performance.now() < end);
    this.#frames = this.#isClosed ? [] : this.#frames.slice(done);
    const isPaused = this.#frames.length > 0;
    if (isPaused) setImmediate(() => this.#turn());
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#socket.pause();
    else this.#socket.resume();
  }
}

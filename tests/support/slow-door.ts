import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What leaves at once: more or less a packet. */
const PIECE_BYTES = 1_024;
const UPGRADE = /^upgrade: websocket\r$/im;

/**
 * A door to a server of this machine, at the end of a line of `bytesPerMs` each way which all sockets of
 * nodes that come through it share. The line holds what it cannot carry yet, as a modem does. What else
 * is asked for is not slowed: a model would take minutes.
 */
export class SlowDoor {
  /** May change at any time, for what comes from then on. */
  bytesPerMs = Infinity;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(serverUrl: string) {
    const port = Number(new URL(serverUrl).port);
    const [there, back] = [new Way(), new Way()];
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      let isNode = false;
      near.once('data', (head: Buffer) => (isNode = UPGRADE.test(head.toString('latin1'))));
      this.#pour(near, far, () => (isNode ? there : null));
      this.#pour(far, near, () => (isNode ? back : null));
    });
  }

  static async open(serverUrl: string): Promise<SlowDoor> {
    const door = new SlowDoor(serverUrl);
    door.#server.listen(0, '127.0.0.1');
    await once(door.#server, 'listening');
    return door;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** What is on the line is lost. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #pour(from: Socket, to: Socket, wayOf: () => Way | null): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (bytes: Buffer) => {
      const way = wayOf();
      if (!way) to.write(bytes);
      else {
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          const piece = bytes.subarray(at, at + PIECE_BYTES);
          way.carry(piece.length / this.bytesPerMs, () => void to.write(piece));
        }
      }
    });
    // Whoever is gone is written to no more; `close` follows.
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      const way = wayOf();
      if (way) way.carry(0, () => to.destroySoon());
      else to.destroySoon();
    });
  }
}

/** One direction of the line: in order, one after the other. */
class Way {
  readonly #queue: { readonly dueAt: number; readonly arrive: () => void }[] = [];
  #freeAt = 0;
  #timer: NodeJS.Timeout | null = null;

  carry(ms: number, arrive: () => void): void {
    this.#freeAt = Math.max(this.#freeAt, performance.now()) + ms;
    this.#queue.push({ dueAt: this.#freeAt, arrive });
    this.#wait();
  }

  #wait(): void {
    const [first] = this.#queue;
    if (!first || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // Timers count whole milliseconds.
      while ((this.#queue[0]?.dueAt ?? Infinity) <= performance.now() + 1) {
        this.#queue.shift()?.arrive();
      }
      this.#wait();
    }, first.dueAt - performance.now());
  }
}

import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, type AddressInfo } from 'node:net';

const CHUNK = /^\/models\/chunks\/([0-9a-f]{64})$/;

/** One request for a chunk, as it crossed the wire. */
export interface ChunkRequest {
  readonly hash: string;
  /** Bytes of the body that were handed to the socket. */
  sentBytes: number;
  whole: boolean;
}

/**
 * Stands before the server as its public address and counts what chunks cost at its route: what a
 * browser's cache answered by itself is not seen here. It can stop a download in the middle and
 * damage an answer, as networks do.
 */
export class ChunkProxy {
  readonly url: string;
  /** In order of arrival, since the last `forget()`. */
  requests: ChunkRequest[] = [];
  readonly #server: Server;
  readonly #damaged = new Set<string>();
  #wholeMax = Infinity;
  #held = new Set<() => void>();

  private constructor(server: Server, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async start(target: string): Promise<ChunkProxy> {
    const upstream = new URL(target);
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const proxy = new ChunkProxy(server, `http://localhost:${port}`);
    server.on('request', (req: IncomingMessage, res: ServerResponse) => {
      const { url: path, method, headers } = req;
      const passed = request(new URL(path ?? '/', upstream), { method, headers }, (answer) => {
        void proxy.#answer(answer, req, res);
      });
      passed.on('error', () => res.destroy());
      req.pipe(passed);
    });
    server.on('upgrade', (req: IncomingMessage, socket, head: Buffer) => {
      const behind = connect(Number(upstream.port), upstream.hostname);
      const pairs = Array.from({ length: req.rawHeaders.length / 2 }, (_, i) =>
        req.rawHeaders.slice(2 * i, 2 * i + 2).join(': '),
      );
      behind.write(`GET ${req.url ?? ''} HTTP/1.1\r\n${pairs.join('\r\n')}\r\n\r\n`);
      behind.write(head);
      behind.pipe(socket).pipe(behind);
      behind.on('error', () => socket.destroy());
      socket.on('error', () => behind.destroy());
    });
    return proxy;
  }

  /** Hashes that were asked for, sorted. */
  asked(): string[] {
    return this.requests.map(({ hash }) => hash).sort();
  }

  sentBytes(): number {
    return this.requests.reduce((sum, { sentBytes }) => sum + sentBytes, 0);
  }

  forget(): void {
    this.requests = [];
  }

  /** From now on only so many answers are sent whole; the others stop in their middle. */
  holdAfter(answers: number): void {
    this.#wholeMax = answers;
  }

  get held(): number {
    return this.#held.size;
  }

  release(): void {
    this.#wholeMax = Infinity;
    for (const go of this.#held) go();
    this.#held.clear();
  }

  /** The next answer with this chunk has one bit wrong. */
  damageNext(hash: string): void {
    this.#damaged.add(hash);
  }

  async end(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(answer: IncomingMessage, req: IncomingMessage, res: ServerResponse): Promise<void> {
    const hash = CHUNK.exec(req.url ?? '')?.[1];
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    if (hash === undefined || req.method !== 'GET') {
      answer.pipe(res);
      return;
    }
    const seen: ChunkRequest = { hash, sentBytes: 0, whole: false };
    this.requests.push(seen);
    const pieces: Buffer[] = [];
    for await (const piece of answer) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    if (this.#damaged.delete(hash)) body[7] = (body[7] ?? 0) ^ 1;
    const half = Math.floor(body.length / 2);
    await this.#send(res, body.subarray(0, half), seen);
    this.#wholeMax -= 1;
    if (this.#wholeMax < 0) await this.#hold(res);
    await this.#send(res, body.subarray(half), seen);
    if (res.destroyed) return;
    seen.whole = true;
    res.end();
  }

  async #send(res: ServerResponse, bytes: Buffer, seen: ChunkRequest): Promise<void> {
    if (res.destroyed) return;
    seen.sentBytes += bytes.length;
    await new Promise<void>((done) => {
      res.once('close', done);
      res.write(bytes, () => done());
    });
  }

  #hold(res: ServerResponse): Promise<void> {
    return new Promise<void>((done) => {
      const go = (): void => {
        this.#held.delete(go);
        done();
      };
      this.#held.add(go);
      res.once('close', go);
    });
  }
}

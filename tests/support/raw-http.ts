import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';

/** A request as it goes over the wire: no client library adds, repeats or repairs anything. */
export interface RawRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON with its content-type; text and bytes are sent as they are. */
  readonly body?: unknown;
  /** Sent in chunks, without telling its length. */
  readonly chunked?: boolean;
}

/** An answer whose headers have come. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The bytes that have come so far, as UTF-8. */
  body(): string;
  /** Waits until the bytes so far are enough, or nothing more comes. */
  until(enough: (body: string) => boolean): Promise<string>;
  /** True: the body came whole. False: the socket broke before its end. */
  readonly whole: Promise<boolean>;
  readonly hangUp: () => void;
}

/** One request on a connection of its own. */
export async function begin(url: string, ask: RawRequest): Promise<RawAnswer> {
  const { bytes, type } = bytesOf(ask.body);
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(url + ask.path, {
      method: ask.method ?? (bytes ? 'POST' : 'GET'),
      agent: false,
      headers: {
        ...(bytes && !ask.chunked ? { 'content-length': String(bytes.length) } : {}),
        ...type,
        ...ask.headers,
      },
    });
    outgoing.on('response', resolve).on('error', reject);
    outgoing.end(bytes ?? undefined);
  });
  return answerOf(response);
}

/** The whole answer to one request. */
export async function send(
  url: string,
  ask: RawRequest,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string; whole: boolean }> {
  const answer = await begin(url, ask);
  const whole = await answer.whole;
  return { status: answer.status, headers: answer.headers, body: answer.body(), whole };
}

function answerOf(response: IncomingMessage): RawAnswer {
  const parts: Buffer[] = [];
  const body = () => Buffer.concat(parts).toString('utf8');
  const waiting = new Set<() => void>();
  const tell = () => waiting.forEach((check) => check());
  const whole = new Promise<boolean>((resolve) => {
    response.on('data', (part: Buffer) => {
      parts.push(part);
      tell();
    });
    response.on('error', () => undefined);
    response.on('close', () => {
      resolve(response.complete);
      tell();
    });
  });
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    whole,
    until: (enough) =>
      new Promise((resolve) => {
        const check = () => {
          if (!enough(body()) && !response.closed) return;
          waiting.delete(check);
          resolve(body());
        };
        waiting.add(check);
        check();
      }),
    hangUp: () => response.destroy(),
  };
}

function bytesOf(body: unknown): { bytes: Buffer | null; type: Record<string, string> } {
  if (body === undefined) return { bytes: null, type: {} };
  if (Buffer.isBuffer(body)) return { bytes: body, type: {} };
  if (typeof body === 'string') return { bytes: Buffer.from(body), type: {} };
  return {
    bytes: Buffer.from(JSON.stringify(body)),
    type: { 'content-type': 'application/json' },
  };
}

/** A bare socket, for what is not HTTP or only half of it. */
export interface Wire {
  readonly socket: Socket;
  /** All that the server has said. */
  said(): string;
  /** Waits until it is enough, or the server has closed. */
  until(enough: (said: string) => boolean): Promise<string>;
  /** All that was said, when the server has closed. */
  readonly closed: Promise<string>;
}

export function openWire(url: string): Wire {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let said = '';
  let open = true;
  const waiting = new Set<() => void>();
  const tell = () => waiting.forEach((check) => check());
  socket.on('data', (part: Buffer) => {
    said += part.toString('latin1');
    tell();
  });
  socket.on('error', () => undefined);
  const closed = new Promise<string>((resolve) => {
    socket.on('close', () => {
      open = false;
      tell();
      resolve(said);
    });
  });
  const until = (enough: (text: string) => boolean) =>
    new Promise<string>((resolve) => {
      const check = () => {
        if (open && !enough(said)) return;
        waiting.delete(check);
        resolve(said);
      };
      waiting.add(check);
      check();
    });
  return { socket, said: () => said, until, closed };
}

/** Head and body of one POST of JSON, to be written on a wire as it is. */
export function postText(path: string, body: unknown, headers: readonly string[] = []): string {
  const text = JSON.stringify(body);
  return [
    `POST ${path} HTTP/1.1`,
    'host: x',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(text)}`,
    ...headers,
    '',
    text,
  ].join('\r\n');
}

/** The error of a JSON body; fails where it is not exactly in OpenAI's form. */
export function errorOf(body: string): {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
} {
  const json = JSON.parse(body) as { error: Record<string, unknown> };
  const { error } = json;
  const inForm =
    Object.keys(json).join() === 'error' &&
    Object.keys(error).sort().join() === 'code,message,param,type' &&
    typeof error['message'] === 'string' &&
    typeof error['type'] === 'string' &&
    (error['param'] === null || typeof error['param'] === 'string') &&
    typeof error['code'] === 'string';
  if (!inForm) throw new Error(`not an error in the dialect: ${body}`);
  return error as ReturnType<typeof errorOf>;
}

import { expect, test } from 'vitest';
import type { TestGateway } from '#tests/support/gateway-server.ts';
import { errorOf, openWire, postText, send } from '#tests/support/raw-http.ts';
import { ASK, CHAT, refused, underAttack } from './http-rig.ts';

const GET_MODELS = 'GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n';

/** Status lines and bodies of the answers on a wire, each with its length. */
function answersOn(said: string): { status: number; body: string }[] {
  const answers = [];
  for (let rest = said; rest.startsWith('HTTP/1.1 ');) {
    const end = rest.indexOf('\r\n\r\n');
    const head = rest.slice(0, end);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    answers.push({
      status: Number(head.slice(9, 12)),
      body: rest.slice(end + 4, end + 4 + length),
    });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

/** Says `text` on a connection of its own; what the server said until it closed. */
async function shout(server: TestGateway, text: string | Buffer): Promise<string> {
  const wire = openWire(server.url);
  wire.socket.write(text);
  return wire.closed;
}

test('[G21] unknown paths and methods are a 404 or 405 in the dialect, or somebody else’s', () =>
  underAttack(async (server) => {
    const unknown = [
      '/v1',
      '/v1/',
      '/v1/x',
      '/v1/%00',
      '/v1/..%2fetc',
      '/v1/models/a%20b',
      '/v1//models',
    ];
    const deep = [`/v1/${'a/'.repeat(2_000)}`, `/v1/models/${'x'.repeat(5_000)}`, '/api/answers/'];
    for (const path of [...unknown, ...deep]) {
      const refusal = { status: 404, code: 'not_found', param: null };
      expect([path, await refused(server, { path })]).toEqual([path, refusal]);
    }
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE', 'HEAD']) {
      const { status, body } = await send(server.url, { method, path: CHAT });
      expect([method, status]).toEqual([method, 405]);
      if (method !== 'HEAD') expect(errorOf(body).code).toBe('method_not_allowed');
    }
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const ask = { method, path: '/v1/models' };
      expect(await refused(server, ask)).toMatchObject({ status: 405 });
    }
    // What is no path at all is not the gateway's to judge.
    for (const target of ['*', 'http://other/v1/models', '//']) {
      const said = await shout(
        server,
        `GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      );
      expect(said).toMatch(/^HTTP\/1\.1 404 /);
    }
  }));

test('[G26] what is not HTTP is a 400 in the dialect, then the close', () =>
  underAttack(async (server) => {
    const strange = [
      'hello\r\n\r\n',
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
      'GET /v1/models HTTP/9.9\r\n\r\n',
      'BREW /v1/models HTTP/1.1\r\n\r\n',
      'GET /v1/models HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n',
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n`,
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`,
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n`,
      'GET /v1/\u00ff\0 HTTP/1.1\r\nhost: x\r\n\r\n',
    ];
    for (const text of strange) {
      const [answer] = answersOn(await shout(server, text));
      expect([text, answer?.status]).toEqual([text, 400]);
      expect(errorOf(answer!.body)).toMatchObject({ type: 'invalid_request_error', param: null });
    }
  }));

test('[G26] a flood of headers is a 431 in the dialect', () =>
  underAttack(async (server) => {
    const floods = [
      `cookie: ${'a'.repeat(20_000)}\r\n`,
      Array.from({ length: 5_000 }, (_, i) => `x-${i}: a\r\n`).join(''),
    ];
    for (const flood of floods) {
      const [answer] = answersOn(
        await shout(server, `GET /v1/models HTTP/1.1\r\nhost: x\r\n${flood}`),
      );
      expect(answer?.status).toBe(431);
      expect(errorOf(answer!.body).code).toBe('headers_too_large');
    }
  }));

test('[G26] slow heads, slow bodies and silent sockets are a 408 in the dialect, then the close', () =>
  underAttack(async (server) => {
    // The product's bounds are 10 and 30 s; both are read anew every 2 s.
    server.server.headersTimeout = 300;
    server.server.requestTimeout = 600;
    const slow = [
      'GET /v1/models',
      'GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: ',
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"mo`,
      `POST ${CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfff\r\n{"mo`,
      '',
    ];
    const startedAt = performance.now();
    const wires = Array.from({ length: 100 }, (_, i) => {
      const wire = openWire(server.url);
      wire.socket.write(slow[i % slow.length]!);
      const drip = setInterval(() => {
        if (i % slow.length < 4) wire.socket.write('a');
      }, 50);
      void wire.closed.then(() => clearInterval(drip));
      return wire;
    });
    const said = await Promise.all(wires.map((wire) => wire.closed));
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    for (const [answer] of said.map(answersOn)) {
      expect(answer?.status).toBe(408);
      expect(errorOf(answer!.body).code).toBe('request_timeout');
    }
  }));

test('[G8] three hundred clients that ask and hang up at any moment leave nothing behind', () =>
  underAttack(async (server) => {
    const sessions = server.answers.sessions.length;
    const left = async () => {
      const { headers } = await send(server.url, { path: CHAT, body: { ...ASK, best_of: 2 } });
      return headers['x-ratelimit-remaining-tokens'];
    };
    const before = await left();
    const startedAt = performance.now();
    server.answers.onStart = (session) => {
      session.route();
      session.say('a');
    };
    const client = async (i: number) => {
      const wire = openWire(server.url);
      const request = postText(CHAT, { ...ASK, stream: i % 2 === 0 });
      const asks = [
        request.slice(0, 40),
        request.slice(0, -5),
        request,
        request + request,
        `${GET_MODELS}${request}`,
      ];
      wire.socket.write(asks[i % asks.length]!);
      await new Promise((resolve) => setTimeout(resolve, i % 7));
      // Half of them say good-bye, the others break off.
      if (i % 3 === 0) wire.socket.resetAndDestroy();
      else wire.socket.destroy();
      await wire.closed;
    };
    for (let wave = 0; wave < 6; wave += 1) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => client(wave * 50 + i)));
    }
    await expect.poll(left, { interval: 20 }).toBe(before);
    expect(server.answers.running).toBe(1);
    expect(server.answers.sessions.length - sessions).toBeGreaterThan(100);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    server.answers.onStart = () => undefined;
  }));

test('[G27] requests behind one another are answered in their order, refusals among them', () =>
  underAttack(async (server) => {
    server.answers.onStart = (session) => {
      setTimeout(() => {
        session.say(Buffer.from(session.request.promptIds).toString().slice(-2, -1));
        session.end();
      }, 20);
    };
    const ask = (content: string) =>
      postText(CHAT, { ...ASK, messages: [{ role: 'user', content }] });
    const wire = openWire(server.url);
    wire.socket.write(ask('1') + GET_MODELS + postText(CHAT, { ...ASK, best_of: 2 }) + ask('2'));
    wire.socket.write(GET_MODELS.repeat(100));
    const said = await wire.until((text) => answersOn(text).length === 104);
    wire.socket.destroy();
    const answers = answersOn(said);
    expect(answers.map(({ status }) => status)).toEqual([
      200,
      200,
      400,
      ...new Array<number>(101).fill(200),
    ]);
    expect(answers[0]?.body).toContain('"content":"1"');
    expect(answers[1]?.body).toContain('"object":"list"');
    expect(errorOf(answers[2]!.body).param).toBe('best_of');
    expect(answers[3]?.body).toContain('"content":"2"');
  }));

test('[G27] noise behind a running stream cuts it, and never stands in it', () =>
  underAttack(async (server) => {
    const wire = openWire(server.url);
    wire.socket.write(postText(CHAT, { ...ASK, stream: true }));
    await wire.until((said) => said.includes('assistant'));
    wire.socket.write('noise\r\n\r\n');
    const said = await wire.closed;
    expect(said).not.toContain('HTTP/1.1 400');
    expect(said).not.toContain('[DONE]');
    await expect.poll(() => server.answers.last.cancelled).toBe(1);
  }));

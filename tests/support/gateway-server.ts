import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway, type Gateway } from '#server/gateway/gateway.ts';
import type { GatewayConfig } from '#server/gateway/limits.ts';
import type { ModelDirectory } from '#server/gateway/models/directory.ts';
import { makeHttpServer } from '#server/listen.ts';
import { byteModels } from './byte-model.ts';
import { MemoryAnswers } from './memory-answers.ts';

export interface TestGateway extends AsyncDisposable {
  readonly url: string;
  readonly answers: MemoryAnswers;
  readonly gateway: Gateway;
  readonly server: Server;
  /** Faults of ours that it reported. */
  readonly reported: unknown[];
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
}

/** A gateway over the twin, on a port of its own; ends with `await using`. */
export async function startGateway(
  config: Partial<GatewayConfig> = {},
  models: ModelDirectory = byteModels,
): Promise<TestGateway> {
  const answers = new MemoryAnswers();
  const reported: unknown[] = [];
  const report = (error: unknown) => void reported.push(error);
  const gateway = createGateway({ answers, models, config, report });
  const server = makeHttpServer(null, (req, res) => {
    if (!gateway.handle(req, res)) res.writeHead(404).end('not the gateway’s');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    answers,
    gateway,
    server,
    reported,
    post: (path, body, init = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...init,
      }),
    async [Symbol.asyncDispose]() {
      await gateway.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

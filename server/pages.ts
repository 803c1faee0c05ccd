import type { IncomingMessage, ServerResponse } from 'node:http';
import next from 'next';
import type { ServerOptions } from './options.ts';

export type PageHandler = (req: IncomingMessage, res: ServerResponse) => Promise<void>;

/** Next serves pages and static files; everything else is answered before it is asked. */
export async function preparePages(
  options: ServerOptions,
): Promise<{ handler: PageHandler; close: () => Promise<void> }> {
  const app = next({ dev: options.dev, hostname: options.host, port: options.port });
  await app.prepare();
  const handler = app.getRequestHandler();
  return { handler: (req, res) => handler(req, res), close: () => app.close() };
}

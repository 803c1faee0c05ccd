import { toFault } from '#lib/kernel/errors.ts';
import type { ServerOptions } from './options.ts';
import { startServer } from './server.ts';

/** Everything ends this long after a signal, whatever hangs. */
const STOP_MS_MAX = 8_000;

/** `npm start`: runs until a signal. Prints `ready URL` on stdout; everything else goes to stderr. */
export async function main(options: ServerOptions): Promise<void> {
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
    setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  try {
    const server = await startServer(options);
    process.stdout.write(`ready ${server.url}\n`);
    for (const line of server.notes) process.stderr.write(`${line}\n`);
    await aborted(stop.signal);
    await server.close();
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${toFault(error, 'server/config').message}\n`);
    process.exit(1);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

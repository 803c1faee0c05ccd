import { FaultError, toFault } from '#lib/kernel/errors.ts';
import { requestSchema, type JobPort, type JobReply, type JobRequest } from './protocol.ts';

type Handlers = Readonly<Record<string, (args: never) => Promise<unknown>>>;

/**
 * The worker's side: answers every request of `port` by the handler of its name. What a handler
 * throws crosses as a fault: its own code, or `engine/lost` where it is no `FaultError`.
 */
export function serveJobs(port: JobPort, handlers: Handlers): void {
  port.onmessage = ({ data }: MessageEvent<unknown>) => {
    const request = requestSchema.safeParse(data);
    if (request.success) void answer(port, handlers, request.data);
  };
}

async function answer(port: JobPort, handlers: Handlers, request: JobRequest): Promise<void> {
  port.postMessage(await replyTo(handlers, request));
}

async function replyTo(handlers: Handlers, { id, name, args }: JobRequest): Promise<JobReply> {
  try {
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (!handler) throw new FaultError('wire/malformed', `this worker has no job ${name}`);
    return { id, ok: true, result: await handler(args as never) };
  } catch (error) {
    const { code, message, details } = toFault(error, 'engine/lost');
    return { id, ok: false, fault: { code, message, details: { ...details } } };
  }
}

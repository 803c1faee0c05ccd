import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { FaultError } from '#lib/kernel/errors.ts';
import { JobClient } from '#lib/webgpu/worker/job-client.ts';
import type { JobPort } from '#lib/webgpu/worker/protocol.ts';
import { serveJobs } from '#lib/webgpu/worker/serve-jobs.ts';

interface Jobs {
  readonly double: { readonly args: { readonly n: number }; readonly result: number };
  readonly fail: { readonly args: null; readonly result: never };
  readonly crash: { readonly args: null; readonly result: never };
  readonly hang: { readonly args: null; readonly result: never };
  readonly missing: { readonly args: null; readonly result: never };
}

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function connect() {
  const { port1, port2 } = new MessageChannel();
  closers.push(() => port1.close());
  const heard: string[] = [];
  serveJobs(port2 as unknown as JobPort, {
    double: ({ n }: { n: number }) => Promise.resolve(2 * n),
    fail: () => Promise.reject(new FaultError('engine/no-pages', 'full', { details: { free: 0 } })),
    crash: () => Promise.reject(new TypeError('oops')),
    hang: () => new Promise(() => undefined),
  });
  const client = new JobClient<Jobs>({
    port: port1 as unknown as JobPort,
    terminate: () => heard.push('terminate'),
    onLost: (fault) => heard.push(fault.code),
  });
  return { client, heard, sendToClient: (message: unknown) => port2.postMessage(message) };
}

const soon = { deadlineMs: 5000 };

describe('jobs of a worker', () => {
  it('[J1] answers each job by its own result', async () => {
    const { client } = connect();
    const answers = [1, 2, 3].map((n) => client.run('double', { n }, soon));
    expect(await Promise.all(answers)).toEqual([2, 4, 6]);
  });

  it('[J1] carries a fault’s code and details across, and names other errors', async () => {
    const { client } = connect();
    await expect(client.run('fail', null, soon)).rejects.toMatchObject({
      code: 'engine/no-pages',
      details: { free: 0 },
    });
    await expect(client.run('crash', null, soon)).rejects.toMatchObject({ code: 'engine/lost' });
    await expect(client.run('missing', null, soon)).rejects.toMatchObject({
      code: 'wire/malformed',
    });
  });

  it('[J2] ends a worker that misses a deadline, with all its jobs', async () => {
    const { client, heard } = connect();
    const other = client.run('hang', null, soon);
    const late = client.run('hang', null, { deadlineMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'kernel/timeout' });
    await expect(other).rejects.toMatchObject({ code: 'engine/lost' });
    expect(heard).toEqual(['terminate', 'engine/lost']);
    await expect(client.run('double', { n: 1 }, soon)).rejects.toMatchObject({
      code: 'engine/lost',
    });
  });

  it('[J2] an owner that ends it hears nothing of a loss', async () => {
    const { client, heard } = connect();
    const open = client.run('hang', null, soon);
    client.dispose();
    await expect(open).rejects.toMatchObject({ code: 'kernel/aborted' });
    expect(heard).toEqual(['terminate']);
  });

  it('[J3] ends a worker that sends what is no answer', async () => {
    const { client, heard, sendToClient } = connect();
    const open = client.run('hang', null, soon);
    sendToClient({ id: 1, ok: 'yes' });
    await expect(open).rejects.toMatchObject({ code: 'engine/lost' });
    expect(heard).toEqual(['terminate', 'engine/lost']);
  });
});

import { spawn } from 'node:child_process';

export interface FloodJob {
  readonly by:
    | {
        readonly kind: 'client';
        /** In hex: what is changed and sent. */ readonly transaction: string;
      }
    | {
        readonly kind: 'member';
        /** Whose keys it has. */ readonly config: string;
        readonly replica: number;
      };
  readonly ports: readonly number[];
  readonly framesEach: number;
  readonly seed: number;
}

/** Its first line; it waits then until its input ends. */
export const READY = 'ready\n';

export interface ReadyFlood {
  /** Begins. @returns how often each port threw it out, once all was sent and looked at. */
  readonly run: () => Promise<number[]>;
}

/**
 * A flood from a process of its own, as it comes from another machine: made in the process that measures
 * it would be what is measured, and so would be a process that starts. Resolves when it has.
 */
export async function floodApart(job: FloodJob): Promise<ReadyFlood> {
  const args = ['--import', 'tsx', 'tests/support/ledger/flood-main.ts', JSON.stringify(job)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  const ready = new Promise<void>((resolve) => {
    child.stdout.on('data', (part: Buffer) => {
      said += part.toString();
      if (said.includes(READY)) resolve();
    });
  });
  const ended = new Promise<number[]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve(JSON.parse(said.replace(READY, '')) as number[]);
      else reject(new Error(`the flood ended with ${status}`));
    });
  });
  await Promise.race([ready, ended]);
  return {
    run: () => {
      child.stdin.end();
      return ended;
    },
  };
}

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

/**
 * A flood from a process of its own, as it comes from another machine: made in the process that measures
 * it would be what is measured.
 * @returns how often each port threw it out.
 */
export function floodApart(job: FloodJob): Promise<number[]> {
  const args = ['--import', 'tsx', 'tests/support/ledger/flood-main.ts', JSON.stringify(job)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (part: Buffer) => (said += part.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      if (status === 0) resolve(JSON.parse(said) as number[]);
      else reject(new Error(`the flood ended with ${status}`));
    });
  });
}

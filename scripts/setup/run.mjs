import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Runs a command in the repository's root; its output goes to stderr so that stdout stays ours.
 * Rejects with the command's name and status where it fails.
 */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', options.quiet ? 'ignore' : 2, 2],
      env: { ...process.env, ...options.env },
    });
    const stop = (signal) => child.kill(signal);
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    const done = (settle) => {
      process.off('SIGTERM', stop);
      process.off('SIGINT', stop);
      settle();
    };
    child.once('error', (error) => done(() => reject(error)));
    child.once('exit', (status, signal) =>
      done(() => {
        if (status === 0) resolve();
        else reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? status}`));
      }),
    );
  });
}

export const say = (line) => process.stderr.write(`${line}\n`);

import { readdirSync, readFileSync } from 'node:fs';

/** Threads of a renderer that run dedicated workers, nested ones too. */
export function workerThreads(pid: number): number {
  const names = readdirSync(`/proc/${pid}/task`).map((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8');
    } catch {
      return ''; // it ended meanwhile
    }
  });
  return names.filter((name) => name.startsWith('DedicatedWorker')).length;
}

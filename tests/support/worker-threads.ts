import { readdirSync, readFileSync } from 'node:fs';

/**
 * Threads of a renderer that run dedicated workers, nested ones too; none where it is gone: Chromium ends
 * the one that it keeps in reserve when it likes.
 */
export function workerThreads(pid: number): number {
  const names = tasksOf(pid).map((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/comm`, 'utf8');
    } catch {
      return ''; // it ended meanwhile
    }
  });
  return names.filter((name) => name.startsWith('DedicatedWorker')).length;
}

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

import { join } from 'node:path';
import { startSupervised, type Supervised } from './supervised.ts';

export interface SeedOptions {
  readonly url: string;
  readonly dataDir: string;
  readonly insecure: boolean;
  readonly log: (line: string) => void;
}

/** The built-in volunteer: an ordinary node in a process of its own. */
export function startSeedVolunteer({ url, dataDir, insecure, log }: SeedOptions): Supervised {
  const args = ['--join', url, '--data', join(dataDir, 'volunteer')];
  return startSupervised({
    ...{ name: 'volunteer', log },
    args: [
      '--import',
      'tsx',
      'server/volunteer/main.ts',
      ...args,
      ...(insecure ? ['--insecure'] : []),
    ],
  });
}

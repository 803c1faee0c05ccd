import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '#lib/kernel/random.ts';
import type { SimCore } from './core.ts';
import { CORE_FOLDERS, loadCore } from './load-core.ts';
import { loadPatched, patchNames, readFindings, writeFindings } from './patches.ts';
import type { Found, MutantFamily } from './search.ts';
import { drawCalm } from './session/draw.ts';
import type { Check, SimFailure } from './session/failure.ts';
import { runSession } from './session/run.ts';

/** Where a rule of the core is broken on purpose: a campaign that does not notice lacks a checker. */

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDER = join(ROOT, 'sim/mutants');
const SEEDS_FILE = join(FOLDER, 'seeds.json');
const CALM_SESSIONS = 50;

export type Finding = Found<Check>;

/** Names of all mutants, in order. */
export const mutantNames = (): Promise<string[]> => patchNames(FOLDER);

/** What was found before, by name. */
export const storedFindings = (): Promise<Record<string, Finding>> => readFindings(SEEDS_FILE);

const storeFindings = (findings: Readonly<Record<string, Finding>>): Promise<void> =>
  writeFindings(SEEDS_FILE, findings);

/**
 * A copy of the core with one patch applied, loaded beside ours.
 * @throws Error where the patch does not apply.
 */
export const loadMutant = (name: string): Promise<SimCore> =>
  loadPatched(join(FOLDER, `${name}.patch`), { folders: CORE_FOLDERS, load: loadCore });

/** The first failure of 50 sessions in which nothing goes wrong; a mutant that counts has none. */
export function failsWithoutFaults(core: SimCore): SimFailure | Error | null {
  let sessions = 0;
  for (let seed = 1; sessions < CALM_SESSIONS; seed += 1) {
    const scenario = drawCalm(seededRandom(seed));
    sessions += scenario.sessions.length;
    const failure = tryRun(seed, { core, scenario });
    if (failure) return failure;
  }
  return null;
}

/** The checker that finds the mutant in this seed; null where none does. */
export function foundBy(core: SimCore, seed: number): Check | null {
  const failure = tryRun(seed, { core });
  if (!failure || !('check' in failure) || failure.check === 'invariant') return null;
  return failure.check;
}

/** A broken core may throw anything. */
function tryRun(...args: Parameters<typeof runSession>): SimFailure | Error | null {
  try {
    return runSession(...args).failure;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export const SESSION_MUTANTS: MutantFamily<SimCore, Check> = {
  names: mutantNames,
  load: loadMutant,
  failsCalmly: failsWithoutFaults,
  foundBy,
  isClean: (seed) => runSession(seed).failure === null,
  stored: storedFindings,
  store: storeFindings,
};

/** The seed that finds a mutant, and the checker that does. */
export interface Found<Check extends string> {
  readonly seed: number;
  readonly check: Check;
}

/** Mutants of one kind of core: how they are made, judged and found. */
export interface MutantFamily<Core, Check extends string> {
  readonly names: () => Promise<readonly string[]>;
  readonly load: (name: string) => Promise<Core>;
  /** What goes wrong where nothing should: a mutant that counts has none. */
  readonly failsCalmly: (core: Core) => Error | null;
  /** The checker, not a throw of the core, that finds the mutant in this seed; null: none does. */
  readonly foundBy: (core: Core, seed: number) => Check | null;
  /** Does our own core pass this seed? */
  readonly isClean: (seed: number) => boolean;
  readonly stored: () => Promise<Readonly<Record<string, Found<Check>>>>;
  readonly store: (findings: Readonly<Record<string, Found<Check>>>) => Promise<void>;
}

export interface MutantSearch {
  readonly from: number;
  readonly seeds: number;
  /** What its stored seed still finds is taken as it is. */
  readonly onlyMissing: boolean;
}

/** Each mutant anew: it must pass where nothing goes wrong, and a checker must find it. */
export async function searchMutants<Core, Check extends string>(
  family: MutantFamily<Core, Check>,
  search: MutantSearch,
  print: (line: string) => void,
): Promise<number> {
  const found: Record<string, Found<Check>> = {};
  const stored = search.onlyMissing ? await family.stored() : {};
  let missed = 0;
  for (const name of await family.names()) {
    const core = await family.load(name);
    const failure = family.failsCalmly(core);
    const finding = failure ? null : finderOf(family, core, { ...search, known: stored[name] });
    const reason = failure ? `FAILS WITHOUT FAULTS: ${failure.message}` : 'SURVIVES';
    print(`${name.padEnd(40)} ${finding ? `--seed=${finding.seed} ${finding.check}` : reason}`);
    if (finding) found[name] = finding;
    else missed += 1;
  }
  if (missed === 0 || search.onlyMissing) await family.store(found);
  print(`\n${Object.keys(found).length} mutants found, ${missed} not`);
  return missed > 0 ? 1 : 0;
}

function finderOf<Core, Check extends string>(
  { foundBy, isClean }: MutantFamily<Core, Check>,
  core: Core,
  of: MutantSearch & { readonly known: Found<Check> | undefined },
): Found<Check> | null {
  const { from, seeds, known } = of;
  if (known && foundBy(core, known.seed) === known.check && isClean(known.seed)) return known;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const check = foundBy(core, seed);
    if (check && isClean(seed)) return { seed, check };
  }
  return null;
}

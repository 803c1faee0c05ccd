/**
 * As much of vitest as the contract suite of stages uses, for a worker: the suite is bundled with
 * this module in vitest's place. What is not here is not there either: a suite that uses it fails.
 */
type Work = () => unknown;
type Row = unknown;

interface Case {
  readonly title: string;
  readonly before: readonly Work[];
  readonly work: Work;
}

interface Group {
  readonly title: string;
  readonly before: Work[];
}

const cases: Case[] = [];
let groups: readonly Group[] = [];

export interface CaseResult {
  readonly title: string;
  readonly ms: number;
  /** What the case threw, null where it passed. */
  readonly error: string | null;
}

export function describe(title: string, define: () => void): void {
  groups = [...groups, { title, before: [] }];
  define();
  groups = groups.slice(0, -1);
}

export function it(title: string, work: Work): void {
  cases.push({
    title: [...groups.map((group) => group.title), title].join(' > '),
    before: groups.flatMap(({ before }) => before),
    work,
  });
}

export function beforeAll(work: Work): void {
  groups.at(-1)?.before.push(once(work));
}

describe.each =
  (rows: readonly Row[]) =>
  (title: string, define: (...args: never[]) => void): void => {
    for (const row of rows) describe(titleOf(title, row), () => define(...argsOf(row)));
  };

it.each =
  (rows: readonly Row[]) =>
  (title: string, work: (...args: never[]) => unknown): void => {
    for (const row of rows) it(titleOf(title, row), () => work(...argsOf(row)));
  };

const argsOf = (row: Row) => (Array.isArray(row) ? row : [row]) as never[];

/** `%s` and the like stand for the arguments in order, `$name` for a member of the first. */
function titleOf(title: string, row: Row): string {
  const args = [...argsOf(row)] as unknown[];
  const members = args[0] as Readonly<Record<string, unknown>>;
  return title
    .replaceAll(/\$(\w+)/g, (_, name: string) => text(members[name]))
    .replaceAll(/%[sij]/g, () => {
      const arg = args.shift();
      return typeof arg === 'string' ? arg : text(arg);
    });
}

function once(work: Work): Work {
  let result: Promise<unknown> | null = null;
  return () => (result ??= Promise.resolve().then(work));
}

/** Runs the cases whose titles `only` lets through, one after the other. */
export async function runCases(only: RegExp): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const { title, before, work } of cases.filter((one) => only.test(one.title))) {
    const startedAt = performance.now();
    let error: string | null = null;
    try {
      for (const first of before) await first();
      await work();
    } catch (cause) {
      error = String(cause);
    }
    results.push({ title, ms: Math.round(performance.now() - startedAt), error });
  }
  return results;
}

const text = (value: unknown): string => JSON.stringify(value);

function check(holds: boolean, claim: string): void {
  if (!holds) throw new Error(`expected ${claim}`);
}

/** Members of `expected`, in any order, are equal in `actual`. */
const matches = (actual: unknown, expected: object): boolean =>
  Object.entries(expected).every(
    ([key, value]) => text((actual as Record<string, unknown>)[key]) === text(value),
  );

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) =>
    member !== null && typeof member === 'object' && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );

export const expect = (actual: unknown) => ({
  toBe: (expected: unknown) =>
    check(Object.is(actual, expected), `${text(actual)} to be ${text(expected)}`),
  toEqual: (expected: unknown) =>
    check(sorted(actual) === sorted(expected), `${text(actual)} to equal ${text(expected)}`),
  toBeLessThanOrEqual: (most: number) =>
    check((actual as number) <= most, `${text(actual)} to be at most ${most}`),
  rejects: {
    toMatchObject: async (expected: object) => {
      const error = await (actual as Promise<unknown>).then(
        () => null,
        (cause: unknown) => cause,
      );
      check(error !== null, 'a rejection');
      check(matches(error, expected), `${String(error)} to match ${text(expected)}`);
    },
  },
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { PagedKv } from '#lib/webgpu/cpu/paged-kv.ts';

const PAGE = 4;
const PAGES = 12;

const pick = fc.nat();
const action = fc.oneof(
  fc.record({ type: fc.constant('open' as const), shares: fc.boolean(), seed: fc.nat(3) }),
  // Several caches in one step, as sessions in a batch.
  fc.record({
    type: fc.constant('append' as const),
    pick,
    caches: fc.integer({ min: 1, max: 3 }),
    rows: fc.integer({ min: 1, max: 11 }),
  }),
  fc.record({ type: fc.constant('truncate' as const), pick, keep: fc.nat() }),
  fc.record({ type: fc.constant('keep' as const), pick }),
  fc.record({ type: fc.constant('close' as const), pick }),
);

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** What a session has written, position by position. */
interface Session {
  readonly seed: number;
  readonly values: string[];
  /** Grows with each roll-back: what comes after one is never what came before. */
  branch: number;
}

/** Sessions of the same kind say the same as long as none rolls back; all begin alike. */
const nextValue = ({ seed, values, branch }: Session): string =>
  `${values.length < 6 ? 0 : seed % 2}/${branch}`;

/** Of the page that ends before `end`: all that came before is in it, as in a real KV. */
const keyOf = (values: readonly string[], end: number): string => values.slice(0, end).join();

/** The accounting beside a memory of its own: what a stage would write and read. */
class Machine {
  readonly kv: PagedKv;
  readonly sessions = new Map<number, Session>();
  readonly memory = Array.from({ length: PAGES }, () => new Array<string>(PAGE).fill(''));
  made = 0;

  /** `together`: for so many pages at a time there is memory. */
  constructor(together: number) {
    this.kv = new PagedKv(PAGE, PAGES, together);
  }

  open(seed: number, shares: boolean): void {
    const id = this.kv.open();
    const session: Session = { seed, values: [], branch: 0 };
    this.sessions.set(id, session);
    if (!shares) return;
    const hoped: Session = { seed, values: [], branch: 0 };
    while (hoped.values.length < PAGES * PAGE) hoped.values.push(nextValue(hoped));
    const keys = Array.from({ length: PAGES }, (_, i) => keyOf(hoped.values, (i + 1) * PAGE));
    session.values.push(...hoped.values.slice(0, this.kv.share(id, keys)));
  }

  append(ids: readonly number[], rows: number): void {
    const appends = ids.map((kv) => ({ kv, rows }));
    const missing = this.kv.pagesMissing(appends);
    const free = this.kv.pagesFree();
    if (missing > free) return;
    this.made = Math.max(this.made, this.kv.pagesMadeAfter(missing));
    for (const id of ids) this.#append(id, rows);
    expect(free - this.kv.pagesFree()).toBe(missing);
  }

  #append(id: number, rows: number): void {
    const copy = this.kv.append(id, rows);
    if (copy) this.memory[copy.to] = [...must(this.memory[copy.from], 'a page')];
    const session = must(this.sessions.get(id), 'open');
    const { values } = session;
    for (let i = 0; i < rows; i += 1) {
      const value = nextValue(session);
      const page = must(this.kv.pages(id)[Math.floor(values.length / PAGE)], 'a page');
      must(this.memory[page], 'memory')[values.length % PAGE] = value;
      values.push(value);
    }
  }

  keep(id: number): void {
    const { seed, values } = must(this.sessions.get(id), 'open');
    const whole = Math.floor(values.length / PAGE);
    const first = Math.min(seed, whole);
    const keys = Array.from({ length: whole - first }, (_, i) =>
      keyOf(values, (first + i + 1) * PAGE),
    );
    this.kv.keep(id, first, keys);
  }

  check(): void {
    const held = new Set<number>();
    for (const [id, { values }] of this.sessions) {
      const pages = this.kv.pages(id);
      expect(this.kv.length(id)).toBe(values.length);
      expect(pages.length).toBe(Math.ceil(values.length / PAGE));
      for (const page of pages) held.add(page);
      const read = pages.flatMap((page) => this.memory[page] ?? []).slice(0, values.length);
      expect(read).toEqual(values);
    }
    expect([...held].every((page) => page >= 0 && page < this.made)).toBe(true);
    expect(held.size + this.kv.pagesFree()).toBe(PAGES);
  }
}

function run(machine: Machine, step: Action): void {
  if (step.type === 'open') {
    machine.open(step.seed, step.shares);
    return;
  }
  const open = [...machine.sessions.keys()];
  const at = open.length > 0 ? step.pick % open.length : -1;
  const id = open[at];
  if (id === undefined) return;
  const session = must(machine.sessions.get(id), 'open');
  if (step.type === 'append') machine.append(open.slice(at, at + step.caches), step.rows);
  else if (step.type === 'keep') machine.keep(id);
  else if (step.type === 'close') {
    machine.kv.close(id);
    machine.sessions.delete(id);
  } else {
    session.values.length = step.keep % (session.values.length + 1);
    session.branch += 1 + open.length * 10;
    machine.kv.truncate(id, session.values.length);
  }
}

it('[W3] [W8] each session reads what it wrote, whoever shares its pages; no page is lost', () => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60, size: 'max' }),
      fc.constantFrom(1, 5),
      (actions, together) => {
        const machine = new Machine(together);
        for (const step of actions) {
          run(machine, step);
          machine.check();
        }
        for (const id of machine.sessions.keys()) machine.kv.close(id);
        expect(machine.kv.pagesFree()).toBe(PAGES);
      },
    ),
    { numRuns: 1_000 },
  );
});

/** How often a page is not the one after the page before it. */
const breaksOf = (pages: readonly number[]): number =>
  pages.slice(1).filter((page, i) => page !== must(pages[i], 'a page') + 1).length;

it('[W3] a session that grows beside others mostly lies in one piece', () => {
  const kv = new PagedKv(PAGE, 526, 106);
  const answers = [kv.open(), kv.open(), kv.open()];
  for (let round = 0; round < 2; round += 1) {
    const prompt = kv.open();
    for (let page = 0; page < 94; page += 1) {
      kv.append(prompt, PAGE);
      if (page % 5 === 0) for (const answer of answers) kv.append(answer, PAGE);
    }
    expect(kv.pages(prompt)).toHaveLength(94);
    expect(breaksOf(kv.pages(prompt))).toBeLessThan(12);
    kv.close(prompt);
  }
  for (const answer of answers) expect(breaksOf(kv.pages(answer))).toBeLessThan(12);
});

it('[W3] memory is made for what is taken, and what was never taken is told apart', () => {
  const kv = new PagedKv(PAGE, 20, 8);
  expect(kv.pagesMadeAfter(1)).toBe(8);
  const id = kv.open();
  kv.append(id, 8 * PAGE);
  expect([kv.pagesTouched(), kv.pagesMadeAfter(1), kv.pagesMadeAfter(12)]).toEqual([8, 16, 20]);
  expect(kv.pages(id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  kv.truncate(id, 0);
  kv.append(id, 3 * PAGE);
  expect([kv.pagesTouched(), kv.pagesMadeAfter(5)]).toEqual([8, 8]);
});

it('[W8] what nobody used for longest is evicted first, and of one prefix its end', () => {
  const kv = new PagedKv(PAGE, 6);
  const keep = (keys: string[]): void => {
    const id = kv.open();
    kv.append(id, keys.length * PAGE);
    kv.keep(id, 0, keys);
    kv.close(id);
  };
  const hit = (keys: string[]): number => {
    const id = kv.open();
    const length = kv.share(id, keys);
    kv.close(id);
    return length / PAGE;
  };
  keep(['a', 'ab', 'abc']);
  keep(['x', 'xy', 'xyz']);
  expect(kv.pagesFree()).toBe(6);
  expect(hit(['a', 'ab', 'abc'])).toBe(3);
  keep(['p', 'pq']);
  expect([hit(['x', 'xy', 'xyz']), hit(['a', 'ab', 'abc']), hit(['p', 'pq'])]).toEqual([1, 3, 2]);
});

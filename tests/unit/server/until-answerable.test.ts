import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { ModelId } from '#lib/kernel/ids.ts';
import type { ClusterView } from '#server/orchestrator/answers.ts';
import { untilAnswerable } from '#server/until-answerable.ts';

const MODEL = 'tiny' as ModelId;

interface Seen {
  readonly state?: ClusterView['nodes'][number]['state'];
  readonly covered?: boolean;
  readonly route?: boolean;
}

const viewOf = ({ state, covered = false, route = false }: Seen): ClusterView =>
  ({
    nodes: state ? [{ state }] : [],
    routes: route ? [{ model: MODEL, places: [] }] : [],
    uncovered: [{ model: MODEL, ranges: covered ? [] : [{ first: 0, last: 1 }] }],
  }) as unknown as ClusterView;

describe('ready', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Seconds until it is said, and what is said, where the cluster looks so from second to second. */
  const said = async (...seconds: Seen[]): Promise<[number, boolean]> => {
    const startedAt = performance.now();
    const at = (): number => performance.now() - startedAt;
    const answers = untilAnswerable(() =>
      viewOf(seconds[Math.min(Math.floor(at() / 1000), seconds.length - 1)] ?? {}),
    );
    const told = answers.then((value): [number, boolean] => [Math.round(at() / 1000), value]);
    await vi.advanceTimersByTimeAsync(60_000);
    return told;
  };

  test('is said as soon as a route is there', async () => {
    expect(await said({}, { state: 'loading', covered: true }, { covered: true, route: true })).toEqual([2, true]); // prettier-ignore
  });

  test('is not said before the volunteer has joined, however long it measures', async () => {
    const measuring = Array.from({ length: 12 }, (): Seen => ({}));
    expect(await said(...measuring, { state: 'loading', covered: true })).toEqual([12, true]);
  });

  test('is said while a slow one loads: prompts wait for it', async () => {
    expect(await said({}, { state: 'loading', covered: true })).toEqual([6, true]);
  });

  test('is said with the truth where it holds a part, or never comes', async () => {
    expect(await said({}, { state: 'loading' }, { state: 'ready' })).toEqual([2, false]);
    expect(await said({})).toEqual([30, false]);
  });
});

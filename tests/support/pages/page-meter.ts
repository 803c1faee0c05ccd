import type { Page } from 'playwright-core';

const TASKS = ['disabled-by-default-devtools.timeline'];
const LONG_MS = 50;

/** What a page did since the meter was set to zero. */
export interface PageFigures {
  /** Frames in which the text of an answer changed, and the most changes within one of them. */
  readonly framesWithText: number;
  readonly textCommitsPerFrameMax: number;
}

/**
 * Counts from outside, with no switch in the product: React tells its developer tools of every
 * commit, in production too. Runs before the page's scripts.
 */
const METER = `(() => {
  const meter = { commits: 0, framesWithText: 0, textCommitsPerFrameMax: 0 };
  let text = '';
  const read = () => [...document.querySelectorAll('[data-text]')].at(-1)?.textContent ?? '';
  window.__REACT_DEVTOOLS_GLOBAL_HOOK__ = {
    renderers: new Map(), supportsFiber: true, isDisabled: false, checkDCE() {},
    inject: () => 1, onCommitFiberUnmount() {}, onPostCommitFiberRoot() {},
    onCommitFiberRoot() {
      const now = read();
      if (now !== text) meter.commits += 1;
      text = now;
    },
  };
  const frame = () => {
    if (meter.commits > 0) meter.framesWithText += 1;
    meter.textCommitsPerFrameMax = Math.max(meter.textCommitsPerFrameMax, meter.commits);
    meter.commits = 0;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  window.pageMeter = meter;
})()`;

/** Puts the meter into every page that `page` opens from now on. */
export const installMeter = (page: Page): Promise<unknown> => page.addInitScript(METER);

export async function resetMeter(page: Page): Promise<void> {
  await page.evaluate(`Object.assign(pageMeter, { framesWithText: 0, textCommitsPerFrameMax: 0 })`);
}

export const readMeter = (page: Page): Promise<PageFigures> =>
  page.evaluate<PageFigures>('pageMeter');

/** Of Chromium's trace: times in microseconds; `tdur` is what the thread computed of `dur`. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly args: { readonly name?: string };
}

/**
 * Tasks of the page's main thread that took over 50 ms of processor time while `work` ran, milliseconds
 * each: one that had to wait for a processor in its midst is not longer for it.
 */
export async function longTasks(page: Page, work: () => Promise<void>): Promise<number[]> {
  const browser = page.context().browser();
  if (!browser) throw new Error('the browser is gone');
  await browser.startTracing(page, { categories: TASKS });
  let trace: Buffer;
  try {
    await work();
  } finally {
    trace = await browser.stopTracing();
  }
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const key = ({ pid, tid }: TraceEvent): string => `${pid}/${tid}`;
  const named = traceEvents.filter(({ name }) => name === 'thread_name');
  const mains = new Set(named.filter(({ args }) => args.name === 'CrRendererMain').map(key));
  const tasks = traceEvents.filter((one) => one.name === 'RunTask' && mains.has(key(one)));
  // Where the trace has no tasks it would say that none is long.
  if (tasks.length === 0) throw new Error('no task was traced');
  const lasted = tasks.map(({ dur = 0, tdur = dur }) => Math.round(tdur / 1_000));
  return lasted.filter((ms) => ms > LONG_MS);
}

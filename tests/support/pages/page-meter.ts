import type { Page } from 'playwright-core';

/** What a page did since the meter was set to zero. */
export interface PageFigures {
  /** Frames in which the text of an answer changed, and the most changes within one of them. */
  readonly framesWithText: number;
  readonly textCommitsPerFrameMax: number;
  /** Tasks of the main thread over 50 ms, as `longtask` entries, milliseconds each. */
  readonly longTasksMs: readonly number[];
}

/**
 * Counts from outside, with no switch in the product: React tells its developer tools of every
 * commit, in production too, and the browser tells of long tasks. Runs before the page's scripts.
 */
const METER = `(() => {
  const meter = { commits: 0, framesWithText: 0, textCommitsPerFrameMax: 0, longTasksMs: [] };
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
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) meter.longTasksMs.push(Math.round(duration));
  }).observe({ type: 'longtask', buffered: true });
  window.pageMeter = meter;
})()`;

/** Puts the meter into every page that `page` opens from now on. */
export const installMeter = (page: Page): Promise<unknown> => page.addInitScript(METER);

export async function resetMeter(page: Page): Promise<void> {
  await page.evaluate(
    `Object.assign(pageMeter, { framesWithText: 0, textCommitsPerFrameMax: 0, longTasksMs: [] })`,
  );
}

export const readMeter = (page: Page): Promise<PageFigures> =>
  page.evaluate<PageFigures>('pageMeter');

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const SCHEMES = ['dark', 'light'] as const;
const SCREENS = { desk: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const;
export type Screen = keyof typeof SCREENS;

const SETTLE = `for (const one of document.getAnimations()) {
  if (one instanceof CSSTransition) one.finish();
}`;
/** Only violations are asked for: the rest is work for nothing. */
const RUN = `axe.run(document, { resultTypes: ['violations'], selectors: false })`;
const WIDER = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

/**
 * What axe finds wrong with the page as it stands, a line a violation: light and dark, on each of
 * `screens`, by the same page; a page wider than its screen is a fault, too. The page is left as
 * wide as it was.
 */
export async function axeFaults(
  page: Page,
  screens: readonly Screen[] = ['desk', 'phone'],
): Promise<string[]> {
  if (!(await page.evaluate<boolean>(`'axe' in window`))) await page.evaluate(source);
  const before = page.viewportSize();
  const faults: string[] = [];
  for (const screen of screens) {
    await page.setViewportSize(SCREENS[screen]);
    for (const colorScheme of SCHEMES) {
      const found = await look(page, colorScheme);
      faults.push(...found.map((fault) => `${screen}, ${colorScheme}: ${fault}`));
    }
    const wider = await page.evaluate<number>(WIDER);
    if (wider > 0) faults.push(`${screen}: ${String(wider)} px wider than the screen`);
  }
  if (before) await page.setViewportSize(before);
  return faults;
}

async function look(page: Page, colorScheme: (typeof SCHEMES)[number]): Promise<string[]> {
  await page.emulateMedia({ colorScheme });
  // A colour on its way from one scheme to the other is no fault.
  await page.evaluate(SETTLE);
  const { violations } = await page.evaluate<AxeResults>(RUN);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`),
  );
}

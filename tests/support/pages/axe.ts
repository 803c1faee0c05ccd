import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const SETTLE = `for (const one of document.getAnimations()) {
  if (one instanceof CSSTransition) one.finish();
}`;

/**
 * What axe finds wrong with the page as it stands, a line a violation. Colours are looked at light
 * and dark; everything else is the same in both.
 */
export async function axeFaults(page: Page): Promise<string[]> {
  await page.evaluate(`if (!('axe' in window)) { ${source} }`);
  const faults = [];
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    // A colour on its way from one scheme to the other is no fault.
    await page.evaluate(SETTLE);
    const rules = colorScheme === 'dark' ? { runOnly: ['color-contrast'] } : {};
    const options = { ...rules, resultTypes: ['violations'] };
    const run = `axe.run(document, ${JSON.stringify(options)})`;
    const found = await page.evaluate<AxeResults>(run);
    for (const { id, nodes } of found.violations) {
      faults.push(...nodes.map(({ html }) => `${colorScheme}: ${id}: ${html.slice(0, 200)}`));
    }
  }
  return faults;
}

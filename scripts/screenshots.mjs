#!/usr/bin/env node
/**
 * Pictures of every page in every state, desktop and phone, light and dark, into
 * `build/screenshots/`. Usage: `node scripts/screenshots.mjs BASE_URL [NAME …]`.
 * Chat states come from `screenshot-fixtures.mjs`; the volunteer's are the real node's.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { startFixtures } from './screenshot-fixtures.mjs';

const OUT = 'build/screenshots';
const WAIT_MS = 60_000;
const SCREENS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
  narrow: { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true },
};
const COLOURS = ['light', 'dark'];

const [baseUrl, ...only] = process.argv.slice(2);
if (!baseUrl) {
  process.stderr.write('usage: node scripts/screenshots.mjs BASE_URL [NAME …]\n');
  process.exit(2);
}

/** A state is reached by `go(page)`; `scene` names what the fixtures answer, null: the real server. */
const STATES = {
  'chat-empty': {
    scene: 'covered',
    path: '/',
    go: (page) => page.getByText('Explain how').waitFor(),
  },
  'chat-busy': { scene: 'busy', path: '/', go: (page) => ask(page, () => tokens(page, 40)) },
  'chat-answered': {
    scene: 'moved',
    path: '/',
    go: (page) => ask(page, () => phase(page, 'done')),
  },
  'chat-error': { scene: 'lost', path: '/', go: (page) => ask(page, () => phase(page, 'failed')) },
  'chat-queue': { scene: 'queue', path: '/', go: (page) => ask(page, () => phase(page, 'failed')) },
  'chat-no-cover': {
    scene: 'no-cover',
    path: '/',
    go: (page) => ask(page, () => phase(page, 'failed')),
  },
  'chat-settings': {
    scene: 'covered',
    path: '/',
    go: async (page) => {
      await page.getByText('Explain how').waitFor();
      await page.getByRole('button', { name: 'Settings' }).click();
    },
  },
  'chat-list': { scene: 'covered', path: '/', go: threeChats },
  'volunteer-off': { scene: null, path: '/volunteer', go: () => undefined },
  'volunteer-loading': {
    scene: null,
    path: '/volunteer',
    go: (page) => contribute(page, 'loading'),
  },
  'volunteer-ready': { scene: null, path: '/volunteer', go: (page) => contribute(page, 'ready') },
  'volunteer-paused': {
    scene: null,
    path: '/volunteer',
    go: async (page) => {
      await contribute(page, 'ready');
      await page.getByRole('button', { name: 'Pause' }).click();
      await volunteerPhase(page, 'paused');
    },
  },
  'volunteer-insecure': { scene: null, path: '/volunteer', insecure: true, go: () => undefined },
};

async function ask(page, until) {
  await page
    .getByLabel('Your message')
    .fill('Explain how a bicycle stays upright, in three sentences.');
  await page.getByRole('button', { name: 'Send' }).click();
  await until();
  await page
    .getByText('served by')
    .click({ timeout: 500 })
    .catch(() => undefined);
}

async function threeChats(page) {
  for (const text of [
    'Explain how a bicycle stays upright',
    'Plan a week in Lisbon',
    'What is a quorum?',
  ]) {
    await page.getByLabel('Your message').fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
    await phase(page, 'done');
    if (page.viewportSize().width < 1024) await page.getByRole('button', { name: 'Chats' }).click();
    if (text !== 'What is a quorum?') await page.getByRole('button', { name: 'New chat' }).click();
  }
}

const phase = (page, name) =>
  page.locator(`[data-answer=${name}]`).last().waitFor({ timeout: WAIT_MS });
const tokens = (page, count) => page.getByText(`${count} tokens`).waitFor({ timeout: WAIT_MS });
const volunteerPhase = (page, name) =>
  page.locator(`[data-phase=${name}]`).waitFor({ timeout: WAIT_MS });

/** Where loading is meant, one chunk is held back, so that the state stands still. */
async function contribute(page, until) {
  if (until === 'loading') {
    let seen = 0;
    await page.context().route(/\/[0-9a-f]{64}$/, (route) => {
      seen += 1;
      return seen < 3 ? route.continue() : undefined;
    });
  }
  await page.getByRole('button', { name: 'Contribute' }).click();
  await volunteerPhase(page, until);
  if (until === 'loading') await page.locator('[data-progress]').waitFor({ timeout: WAIT_MS });
}

/** A name that is not localhost, for the page that plain http shows from elsewhere. */
const INSECURE_HOST = 'declai.example';
const insecureUrl = () => {
  const url = new URL(baseUrl);
  url.hostname = INSECURE_HOST;
  return url.origin;
};

async function picture(browser, fixtures, { name, screen, colour }) {
  const { scene, path, go, insecure } = STATES[name];
  const context = await browser.newContext({ ...SCREENS[screen], colorScheme: colour });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  if (scene !== null) {
    fixtures.play(scene);
    await page.route(/\/(v1|api)\//, (route) => {
      const { pathname, search } = new URL(route.request().url());
      return route.continue({ url: fixtures.url + pathname + search });
    });
  }
  await page.goto((insecure ? insecureUrl() : baseUrl) + path);
  await go(page);
  await page.waitForTimeout(400);
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  if (overflow > 0) faults.push(`the page is ${overflow} px wider than the screen`);
  await page.screenshot({ path: join(OUT, `${name}-${screen}-${colour}.png`) });
  await context.close();
  return faults;
}

await mkdir(OUT, { recursive: true });
const fixtures = await startFixtures();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--host-resolver-rules=MAP ${INSECURE_HOST} 127.0.0.1`,
  ],
});
let failed = false;
for (const name of Object.keys(STATES)) {
  if (only.length > 0 && !only.some((wanted) => name.startsWith(wanted))) continue;
  for (const screen of Object.keys(SCREENS)) {
    for (const colour of COLOURS) {
      const faults = await picture(browser, fixtures, { name, screen, colour }).catch((error) => [
        error.message,
      ]);
      failed ||= faults.length > 0;
      process.stdout.write(
        `${name} ${screen} ${colour}${faults.map((fault) => `\n  ${fault}`).join('')}\n`,
      );
    }
  }
}
await browser.close();
fixtures.close();
process.exitCode = failed ? 1 : 0;

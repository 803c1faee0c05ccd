import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import type { Preferences } from '#components/volunteer/preferences.ts';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { findChromium } from '../../scripts/setup/chromium.mjs';

const ARGS = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-gpu',
  '--disable-features=SpareRendererForSitePerProcess,Translate,MediaRouter',
  '--renderer-process-limit=1',
];

export async function launchBrowser(extraArgs: readonly string[] = []): Promise<Browser> {
  return launchWith([...ARGS, ...extraArgs]);
}

/** With the machine's own GPU, where it has one. */
export async function launchBrowserOnGpu(): Promise<Browser> {
  const gpu = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-angle=vulkan'];
  return launchWith([...ARGS.filter((arg) => arg !== '--disable-gpu'), ...gpu]);
}

function launchWith(args: string[]): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('no Chromium: see npm test');
  return chromium.launch({ executablePath, headless: true, args });
}

/** A browser with a profile on disk: its caches survive a restart. */
export async function launchProfile(userDataDir: string): Promise<BrowserContext> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('no Chromium: see npm test');
  return chromium.launchPersistentContext(userDataDir, {
    executablePath,
    headless: true,
    args: ARGS,
  });
}

/** The database in which a volunteer's page keeps what it may lend. */
const PREFERENCES = 'declai-volunteer-page';

/** How long a page computes at a time to show which process is its own, and by how much that is seen. */
const [PROBE_MS, LEAD_MS] = [80, 40];

/** What a volunteer's page shows of its node. */
export async function snapshotOf(page: Page): Promise<VolunteerSnapshot> {
  const text = await page.locator('[data-snapshot]').getAttribute('data-snapshot');
  return JSON.parse(text ?? '{}') as VolunteerSnapshot;
}

/**
 * Clicks as a person does who has the tab before them: one that is covered by another tab draws a frame
 * a second or none, and a click waits for two.
 */
export async function press(page: Page, name: string): Promise<void> {
  await page.bringToFront();
  await page.getByRole('button', { name, exact: true }).click();
}

/** Clicks until the page hears it: its markup is there before its scripts. */
export async function contribute(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: 'Contribute' });
  await press(page, 'Contribute');
  while ((await snapshotOf(page)).phase === 'off') {
    // Heard meanwhile, it goes.
    await button.click({ timeout: 1_000 }).catch(() => undefined);
  }
}

/** One volunteer: a browser process of its own with one tab on /volunteer. */
export class VolunteerTab {
  page: Page;
  readonly #context: BrowserContext;
  readonly #profile: string;
  #renderer: number | null = null;

  private constructor(made: { page: Page; context: BrowserContext; profile: string }) {
    this.page = made.page;
    this.#context = made.context;
    this.#profile = made.profile;
  }

  static async open(url: string): Promise<VolunteerTab> {
    const tab = await VolunteerTab.openBlank();
    await tab.load(url);
    return tab;
  }

  /** A browser with one empty tab: what memory is measured against. */
  static async openBlank(): Promise<VolunteerTab> {
    const profile = await mkdtemp(join(tmpdir(), 'declai-profile-'));
    const context = await launchProfile(profile);
    const page = context.pages()[0] ?? (await context.newPage());
    return new VolunteerTab({ page, context, profile });
  }

  async load(url: string): Promise<void> {
    await this.page.goto(`${url}/volunteer`);
    this.#renderer = null;
  }

  /** What this profile's page lends from now on: it is loaded anew. */
  async prefer(allowed: Partial<Preferences>): Promise<void> {
    // The page makes its database as it opens; one that the test made first would be another.
    await this.page.waitForFunction(async (name) => {
      const there = await indexedDB.databases();
      return there.some((database) => database.name === name);
    }, PREFERENCES);
    await this.page.evaluate(
      ([name, value]) =>
        new Promise<void>((resolve, reject) => {
          const opening = indexedDB.open(name);
          opening.onerror = () => reject(new Error('no preferences'));
          opening.onsuccess = () => {
            try {
              const writing = opening.result.transaction('preferences', 'readwrite');
              writing.objectStore('preferences').put({ key: 'volunteer', value });
              writing.oncomplete = () => resolve();
            } catch (error) {
              reject(error instanceof Error ? error : new Error('preferences are not kept'));
            }
          };
        }),
      [PREFERENCES, allowed] as const,
    );
    await this.page.reload();
    this.#renderer = null;
  }

  async contribute(): Promise<void> {
    await contribute(this.page);
  }

  /** What the page knows of its node, as it stands in the page (`data-snapshot`). */
  async snapshot(): Promise<VolunteerSnapshot> {
    return snapshotOf(this.page);
  }

  async phase(): Promise<string> {
    return (await this.snapshot()).phase;
  }

  async untilPhase(phases: readonly string[], timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!phases.includes(await this.phase())) {
      if (performance.now() > deadline) {
        throw new Error(`the tab is ${await this.phase()}, not ${phases.join(' or ')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** A new tab in the same profile, after the old one was closed or crashed. */
  async reopen(url: string): Promise<void> {
    const old = this.page;
    this.page = await this.#context.newPage();
    await old.close().catch(() => undefined);
    await this.load(url);
  }

  async nodeId(): Promise<string> {
    return (await this.snapshot()).nodeId ?? '';
  }

  /** Process id of the tab's renderer: the one that computes while the page does. */
  async rendererPid(): Promise<number> {
    if (this.#renderer !== null) return this.#renderer;
    const pids = await this.#renderers();
    const before = pids.map(cpuMsSoFar);
    // As long as it takes: on a busy machine a page gets little of its time.
    for (let probes = 0; probes < 100; probes += 1) {
      await this.page.evaluate((probeMs) => {
        const end = performance.now() + probeMs;
        while (performance.now() < end);
      }, PROBE_MS);
      const used = pids.map((pid, i) => ({ pid, ms: cpuMsSoFar(pid) - (before[i] ?? 0) }));
      const [first, second] = used.sort((a, b) => b.ms - a.ms);
      if (!first || first.ms - (second?.ms ?? 0) < LEAD_MS) continue;
      this.#renderer = first.pid;
      return first.pid;
    }
    throw new Error('no renderer computes alone');
  }

  /** Process ids of this browser's renderers; one may be the browser's own. */
  async #renderers(): Promise<number[]> {
    const browser = this.#context.browser();
    if (!browser) throw new Error('the browser is gone');
    const session = await browser.newBrowserCDPSession();
    const info = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    return info.processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  /** Closes the page as a person closes a tab. */
  async closePage(): Promise<void> {
    await this.page.close({ runBeforeUnload: false });
  }

  async signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    process.kill(await this.rendererPid(), name);
  }

  async end(): Promise<void> {
    if (this.#renderer !== null) {
      try {
        process.kill(this.#renderer, 'SIGCONT');
      } catch {
        // The renderer is gone already: nothing to wake.
      }
    }
    await this.#context.close().catch(() => undefined);
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** None where the process is gone: Chromium ends the renderer that it keeps in reserve when it likes. */
function cpuMsSoFar(pid: number): number {
  try {
    return cpuMs(pid);
  } catch {
    return 0;
  }
}

/** Processor time of a process so far, milliseconds (Linux: utime + stime of /proc/PID/stat). */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

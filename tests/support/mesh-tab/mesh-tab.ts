import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import type { NodeId } from '#lib/kernel/ids.ts';
import type { LinkInfo } from '#lib/shard/mesh/types.ts';
import { startCluster, type Cluster } from '../mesh-cluster.ts';
import { PROFILE } from '#tests/support/profile.ts';
import type { Order, Report } from './worker.ts';

type ReportOf<Type extends Report['type']> = Extract<Report, { type: Type }>;

/** A cluster whose server has one page: a mesh and a worker, nothing that computes. */
export async function startMeshPages(): Promise<Cluster> {
  const [page, worker] = await Promise.all(['page.ts', 'worker.ts'].map(bundle));
  const html = '<!doctype html><title>mesh</title><script src="/page.js"></script>';
  const files: Record<string, string | undefined> = { '/page.js': page, '/worker.js': worker };
  return startCluster((request, response) => {
    const script = files[request.url ?? ''];
    response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
    response.end(script ?? html);
  });
}

async function bundle(entry: string): Promise<string> {
  const simplePeer = createRequire(import.meta.url).resolve('simple-peer/simplepeer.min.js');
  const built = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true,
    write: false,
    format: 'iife',
    alias: { 'simple-peer': simplePeer },
  });
  return built.outputFiles[0]?.text ?? '';
}

/** One tab on that page, a profile of its own. */
export class MeshTab {
  readonly page: Page;
  readonly id: NodeId;

  private constructor(page: Page, id: NodeId) {
    this.page = page;
    this.id = id;
  }

  static async open(browser: Browser, url: string): Promise<MeshTab> {
    const page = await (await browser.newContext()).newPage();
    await page.goto(url);
    const id = await page.evaluate((profile) => tab.start(profile, { relayOnly: false }), PROFILE);
    const made = new MeshTab(page, id);
    await made.until('online', 10_000);
    return made;
  }

  order(order: Order): Promise<void> {
    return this.page.evaluate((given) => tab.order(given), order);
  }

  async reports<Type extends Report['type']>(type: Type): Promise<ReportOf<Type>[]> {
    const { reports } = await this.page.evaluate(() => tab.seen());
    return reports.filter((report): report is ReportOf<Type> => report.type === type);
  }

  /** What happened, in words: `link-open direct`. */
  async events(): Promise<string[]> {
    const { events } = await this.page.evaluate(() => tab.seen());
    return events.map((event) => {
      const detail =
        event.type === 'link-port' ? event.port.kind : 'path' in event ? event.path : '';
      return `${event.type} ${detail}`.trim();
    });
  }

  /** @throws Error where it does not happen in time. */
  async until(event: string, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!(await this.events()).includes(event)) {
      if (performance.now() > deadline) {
        throw new Error(`no ${event}, but ${(await this.events()).join(', ')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** From now on its links may be measured. */
  rest(): Promise<void> {
    return this.page.evaluate(() => {
      tab.rest();
    });
  }

  link(): Promise<LinkInfo | undefined> {
    return this.page.evaluate(() => tab.info()[0]);
  }

  /** Rows of 2 304 bytes, worker to worker and back, one at a time. */
  async roundTrips(peer: NodeId, count: number): Promise<ReportOf<'round-trips'>> {
    const before = (await this.reports('round-trips')).length;
    await this.order({ type: 'round-trips', peer, count });
    const deadline = performance.now() + 60_000;
    while (performance.now() < deadline) {
      const last = (await this.reports('round-trips'))[before];
      if (last) return last;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('the rows did not come back');
  }
}

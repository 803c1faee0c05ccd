import { expect } from 'vitest';
import type { Page } from 'playwright-core';
import { NODE } from '#lib/shard/runtime/limits.ts';
import type { VolunteerPhase } from '#lib/shard/runtime/volunteer-port.ts';
import { axeFaults } from './axe.ts';

/** A page is drawn twice a second. */
const SOON = { timeout: 15_000, interval: 50 };

/** What a person sees of a state. */
export interface StateSeen {
  readonly title: string;
  readonly sentence: RegExp;
  readonly buttons: readonly string[];
  readonly light: 'none' | 'idle' | 'computing';
}

/** The volunteer's page as a person sees it. */
export class VolunteerView {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  async open(url: string): Promise<void> {
    await this.page.goto(`${url}/volunteer`);
    await this.page.getByRole('button', { name: 'Contribute' }).waitFor();
  }

  async press(name: string): Promise<void> {
    await this.page.getByRole('button', { name, exact: true }).click();
  }

  async until(phase: VolunteerPhase): Promise<void> {
    await this.page.locator(`main[data-phase=${phase}]`).waitFor();
  }

  /** Waits for the state, then checks its words, its buttons, the light, and that axe is content. */
  async shows(phase: VolunteerPhase, seen: StateSeen): Promise<void> {
    await this.until(phase);
    await expect
      .poll(() => this.seen(), SOON)
      .toEqual({
        title: seen.title,
        sentence: expect.stringMatching(seen.sentence) as string,
        buttons: seen.buttons,
        light: seen.light,
      });
    expect(await axeFaults(this.page), `${phase}: ${seen.title}`).toEqual([]);
    expect(await this.page.locator('main').getAttribute('data-phase')).toBe(phase);
  }

  private async seen(): Promise<object> {
    const state = this.page.locator('section[aria-label="This tab"]');
    const light = this.page.locator('[data-computing]');
    const lit = (await light.count()) === 0 ? null : await light.getAttribute('data-computing');
    const title = (await state.locator('[data-state]').textContent()) ?? '';
    return {
      title: title.replace('computing now', '').trim(),
      sentence: await state.locator('[data-state] + p').textContent(),
      buttons: await state.getByRole('button').allTextContents(),
      light: lit === null ? 'none' : lit === 'true' ? 'computing' : 'idle',
    };
  }

  /**
   * Holds the moment in which a leave message goes out, so that `leaving` can be looked at.
   * @returns what lets it go.
   */
  async holdLeaving(): Promise<() => Promise<void>> {
    const goOn = await this.holdTime();
    await this.page.evaluate(`{
      const soon = window.setTimeout;
      window.setTimeout = (work, ms, ...rest) => {
        if (ms !== ${String(NODE.flushMs)}) return soon(work, ms, ...rest);
        window.setTimeout = soon;
        window.leaveNow = work;
      };
    }`);
    return async () => {
      await goOn();
      await this.page.evaluate('leaveNow()');
    };
  }

  /** Time stands still for the node, so that a wait of its own can be looked at. @returns what lets it go on. */
  async holdTime(): Promise<() => Promise<void>> {
    await this.page.evaluate('{ const at = performance.now(); performance.now = () => at; }');
    return () => this.page.evaluate('void delete performance.now');
  }
}

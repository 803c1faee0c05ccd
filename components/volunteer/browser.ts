import { engineWish } from './engine-wish.ts';
import { openPreferences } from './preferences.ts';
import { createVolunteerClient, type TabMemory, type VolunteerClient } from './volunteer-client.ts';

/** The client of a page. Touches nothing before `open()`, fetches nothing before `start()`. */
export const createBrowserVolunteer = (): VolunteerClient =>
  createVolunteerClient({
    preferences: openPreferences(),
    tab: tabMemory,
    serverUrl: () => location.origin,
    engineWish: () => engineWish(location.search),
    loadRuntime: async () => (await import('#lib/shard/runtime/browser.ts')).createVolunteer,
  });

const KEY = 'declai-contributing';

/** Session storage is the tab's own; a copied or newly opened tab is no reload. */
const tabMemory: TabMemory = {
  wasContributing() {
    const [visit] = performance.getEntriesByType('navigation');
    if (!(visit instanceof PerformanceNavigationTiming) || visit.type !== 'reload') return false;
    try {
      return sessionStorage.getItem(KEY) === '1';
    } catch {
      return false; // Storage is forbidden: after a reload the person clicks again.
    }
  },
  remember(contributing) {
    try {
      if (contributing) sessionStorage.setItem(KEY, '1');
      else sessionStorage.removeItem(KEY);
    } catch {
      // As above.
    }
  },
};

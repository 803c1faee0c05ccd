import type { ClusterView } from './orchestrator/answers.ts';

/** One that is here and loads holds prompts up, which wait for it, but not the start. */
const LOADED_MS_MAX = 6_000;
/** One that never says hello is at fault: pages and API are there for other volunteers. */
const HELLO_MS_MAX = 30_000;
const LOOK_EVERY_MS = 50;

/**
 * Until a prompt would be answered by the built-in volunteer: at once, or, on a slow machine, after a
 * wait in the queue while it loads. One that has loaded all it can of a larger model is not waited for.
 * @returns whether a prompt would be answered now, and is not refused for want of cover.
 */
export async function untilAnswerable(view: () => ClusterView): Promise<boolean> {
  const startedAt = performance.now();
  for (;;) {
    const { routes, nodes, uncovered } = view();
    const isCovered = uncovered.every(({ ranges }) => ranges.length === 0);
    const waitedMs = performance.now() - startedAt;
    if (routes.length > 0 || (isCovered && waitedMs >= LOADED_MS_MAX)) return true;
    const hasSettled = nodes.some(({ state }) => state === 'ready' || state === 'spare');
    if (!isCovered && (hasSettled || waitedMs >= HELLO_MS_MAX)) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

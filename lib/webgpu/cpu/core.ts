/** The CPU engine's public face for pure code; `server.ts` and `browser.ts` load the module. */
export { cpuStageFactory } from './cpu-stage.ts';
export { kvPageBytes } from './page-memory.ts';
export { CPU_LIMITS } from './limits.ts';
export type { HelperStart, HelperThread, StageThreads } from './threads.ts';

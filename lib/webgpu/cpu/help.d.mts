import type { HelperStart } from './threads.ts';

export declare function help(start: HelperStart, onReady: () => void): void;

import { register } from 'tsx/esm/api';

/** A thread starts with no TypeScript loader: this one registers it, then becomes the worker. */
register();
await import('./prompt-worker.ts');

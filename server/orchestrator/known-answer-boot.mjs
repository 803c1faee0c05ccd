// A worker thread does not inherit tsx from `node --import tsx`: it registers it for itself.
import { register } from 'tsx/esm/api';

register();
await import('./known-answer-worker.ts');

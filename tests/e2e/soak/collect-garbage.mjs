import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

/**
 * Preloaded into the server and the Node volunteer by the soak alone (`NODE_OPTIONS=--import`): on
 * SIGUSR2 V8 collects everything, so that what is read then is held and not only left over.
 */
if (isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  process.on('SIGUSR2', () => collect());
}

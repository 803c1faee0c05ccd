import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';

/**
 * Preloaded into the server and the Node volunteer by the soak alone (`NODE_OPTIONS=--import`): on
 * SIGUSR2 V8 collects everything, in each thread, so that what is read then is held and not only left over.
 */
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const told = new BroadcastChannel('collect-garbage');
if (isMainThread) {
  process.on('SIGUSR2', () => {
    told.postMessage(null);
    collect();
  });
}
told.onmessage = () => collect();
told.unref();

import { help } from './help.mjs';
import type { HelperStart } from './threads.ts';

/** Entry of a helper thread of a stage in a tab: a worker of the inference worker, which ends it. */
self.onmessage = ({ data }: MessageEvent<HelperStart>) => {
  self.onmessage = null;
  help(data, () => self.postMessage('ready'));
};

import fs, { appendFileSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Loaded before a program (`node --import`): counts what it does to files under `DIE_ROOT` and, at
 * the step that `DIE_AT` names, ends it with SIGKILL; a write dies half way. Without `DIE_AT` every
 * step is written to `DIE_LOG`, one `operation<TAB>path` a line.
 */
const { DIE_ROOT = '', DIE_AT, DIE_LOG } = process.env;
/** @type {{ operation: string, path: string, nth: number } | null} */
const last = DIE_AT ? JSON.parse(DIE_AT) : null;
let seen = 0;

/** @param {string} operation @param {unknown} path @param {() => void} [half] */
function step(operation, path, half) {
  if (typeof path !== 'string' || !path.startsWith(DIE_ROOT)) return;
  if (DIE_LOG) appendFileSync(DIE_LOG, `${operation}\t${path}\n`);
  if (last?.operation !== operation || !new RegExp(last.path).test(path)) return;
  seen += 1;
  if (seen < last.nth) return;
  half?.();
  process.kill(process.pid, 'SIGKILL');
}

const { promises } = fs;
const { open, rename } = promises;
for (const name of /** @type {const} */ (['mkdir', 'rm', 'writeFile'])) {
  const real = promises[name];
  promises[name] = (/** @type {any[]} */ ...args) => {
    step(name, args[0]);
    return Reflect.apply(real, promises, args);
  };
}
promises.rename = (from, to) => {
  step('rename', to);
  return rename(from, to);
};
promises.open = async (path, ...rest) => {
  step('open', path);
  const handle = await open(path, ...rest);
  const { read, writeFile, sync } = handle;
  handle.read = (/** @type {any[]} */ ...args) => {
    step('read', path);
    return Reflect.apply(read, handle, args);
  };
  handle.writeFile = (/** @type {any} */ bytes) => {
    step('write', path, () => writeSync(handle.fd, bytes.slice(0, bytes.length / 2)));
    return Reflect.apply(writeFile, handle, [bytes]);
  };
  handle.sync = () => {
    step('sync', path);
    return Reflect.apply(sync, handle, []);
  };
  return handle;
};
syncBuiltinESMExports();

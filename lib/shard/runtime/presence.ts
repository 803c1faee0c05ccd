/** What keeps a contributing tab awake: a lock against freezing, a wake lock if it was allowed. */
export function holdPresence(keepAwake: boolean): () => void {
  const releases = [holdLock(), ...(keepAwake ? [holdWakeLock()] : [])];
  return () => {
    for (const release of releases) release();
  };
}

/** Chrome does not freeze a tab that holds a lock; one name a tab, so that tabs never wait. */
function holdLock(): () => void {
  if (!('locks' in navigator)) return () => undefined;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  void navigator.locks.request(`declai-node/${crypto.randomUUID()}`, () => promise);
  return () => resolve(undefined);
}

/** The browser takes a wake lock back whenever the page is hidden: asked again when it shows. */
function holdWakeLock(): () => void {
  if (!('wakeLock' in navigator)) return () => undefined;
  let held: WakeLockSentinel | null = null;
  let wanted = true;
  const ask = (): void => {
    if (!wanted || document.visibilityState !== 'visible') return;
    navigator.wakeLock.request('screen').then(
      (sentinel) => {
        if (wanted) held = sentinel;
        else void sentinel.release();
      },
      () => undefined, // Refused, as on a low battery: the node works without.
    );
  };
  document.addEventListener('visibilitychange', ask);
  ask();
  return () => {
    wanted = false;
    document.removeEventListener('visibilitychange', ask);
    void held?.release();
  };
}

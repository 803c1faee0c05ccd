/** Writes the newest value, at most once in `everyMs`, the last one always. */
export interface Saver<T> {
  /** The value to write next; an earlier one that waits is forgotten. */
  offer(value: T): void;
  /** Writes what waits now: the page goes away, or the value is the last. */
  flush(): void;
}

export function createSaver<T>(write: (value: T) => void, everyMs: number): Saver<T> {
  let waiting: { readonly value: T } | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (waiting === null) return;
    const { value } = waiting;
    waiting = null;
    write(value);
  };
  return {
    offer(value) {
      waiting = { value };
      timer ??= setTimeout(flush, everyMs);
    },
    flush,
  };
}

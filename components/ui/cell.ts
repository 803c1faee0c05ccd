/** State that lives outside React: what `useSyncExternalStore` reads. */
export interface Readable<T> {
  readonly subscribe: (onChange: () => void) => () => void;
  /** The same object until something changed. */
  readonly getSnapshot: () => T;
}

export interface Cell<T> extends Readable<T> {
  readonly set: (value: T) => void;
}

/** One value and those who watch it. Listeners run in order, after the value has changed. */
export function createCell<T>(initial: T): Cell<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    subscribe(onChange) {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    getSnapshot: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
  };
}

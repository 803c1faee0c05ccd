/** Values wait here for their first listener: none is lost between a channel's making and its use. */
export class Mailbox<T> {
  #waiting: T[] = [];
  #listener: ((value: T) => void) | null = null;

  put(value: T): void {
    if (this.#listener) this.#listener(value);
    else this.#waiting.push(value);
  }

  listen(listener: (value: T) => void): void {
    this.#listener = listener;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const value of waiting) listener(value);
  }
}

/** Something that happens once: whoever listens late hears it at once. */
export class Ending<T> {
  #value: { readonly is: T } | null = null;
  #listeners: ((value: T) => void)[] = [];

  get happened(): boolean {
    return this.#value !== null;
  }

  /** False where it had happened before. */
  happen(value: T): boolean {
    if (this.#value) return false;
    this.#value = { is: value };
    for (const listener of this.#listeners) listener(value);
    this.#listeners = [];
    return true;
  }

  listen(listener: (value: T) => void): void {
    if (this.#value) listener(this.#value.is);
    else this.#listeners.push(listener);
  }
}

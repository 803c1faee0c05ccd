/**
 * Things that are said in one turn leave together: what wakes a thread or crosses a process costs
 * more than what it carries. They leave in a microtask, so nothing waits for a timer.
 */
export class Batch<Item> {
  readonly #leave: (items: readonly Item[]) => void;
  #items: Item[] = [];

  constructor(leave: (items: readonly Item[]) => void) {
    this.#leave = leave;
  }

  add(item: Item): void {
    if (this.#items.length === 0) queueMicrotask(() => this.flush());
    this.#items.push(item);
  }

  /** Now, for what must not pass those before it. */
  flush(): void {
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    this.#leave(items);
  }
}

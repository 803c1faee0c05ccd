/**
 * Results of `read` in the order of `items`, up to `ahead` reads begun before their turn: disks and
 * hashing work on other threads while this one packs. All reads have ended before this does.
 * @throws what `read` rejects with, in its turn.
 */
export async function* readAhead<Item, Result>(
  items: readonly Item[],
  ahead: number,
  read: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const coming: Promise<Result>[] = [];
  const rest = items.values();
  const begin = (): void => {
    const { done, value } = rest.next();
    if (done) return;
    const result = read(value);
    // It is looked at in its turn: until then a failure must not count as unhandled.
    result.catch(() => undefined);
    coming.push(result);
  };
  try {
    for (let i = 0; i < ahead; i += 1) begin();
    for (let left = items.length; left > 0; left -= 1) {
      begin();
      const next = coming.shift();
      if (next) yield await next;
    }
  } finally {
    await Promise.allSettled(coming);
  }
}

/** Who waits for a transaction to be executed: by its id, then by the client's own tag. */
export class WaitingSubmits<Client> {
  readonly #byId = new Map<string, Map<Client, Set<number>>>();
  readonly #counts = new Map<Client, number>();

  countOf(client: Client): number {
    return this.#counts.get(client) ?? 0;
  }

  add(id: string, client: Client, tag: number): void {
    const clients = this.#byId.get(id) ?? new Map<Client, Set<number>>();
    this.#byId.set(id, clients);
    const tags = clients.get(client) ?? new Set();
    clients.set(client, tags);
    if (tags.has(tag)) return;
    tags.add(tag);
    this.#counts.set(client, this.countOf(client) + 1);
  }

  /** All who wait for it, and no more after this. */
  take(id: string): { readonly client: Client; readonly tag: number }[] {
    const clients = this.#byId.get(id);
    if (clients === undefined) return [];
    this.#byId.delete(id);
    return [...clients].flatMap(([client, tags]) => {
      this.#counts.set(client, this.countOf(client) - tags.size);
      return [...tags].map((tag) => ({ client, tag }));
    });
  }

  /** All who wait for what is not here, and no more after this. */
  takeUnless(isHere: (id: string) => boolean): { readonly client: Client; readonly tag: number }[] {
    const gone = [...this.#byId.keys()].filter((id) => !isHere(id));
    return gone.flatMap((id) => this.take(id));
  }

  forget(client: Client): void {
    this.#counts.delete(client);
    for (const [id, clients] of this.#byId) {
      clients.delete(client);
      if (clients.size === 0) this.#byId.delete(id);
    }
  }

  get size(): number {
    return this.#byId.size;
  }
}

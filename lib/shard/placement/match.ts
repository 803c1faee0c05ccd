/**
 * Pairs as many of `lefts` with different rights as possible (Kuhn's augmenting paths), each left
 * with the earliest of its choices that leaves the others a partner. Lefts come in order of
 * importance: a later one never loses an earlier one its partner, only moves it along its choices.
 */
export function matchUp<Left, Right>(
  lefts: readonly Left[],
  choicesOf: (left: Left) => readonly Right[],
): Map<Left, Right> {
  const choices = new Map(lefts.map((left) => [left, choicesOf(left)]));
  const owner = new Map<Right, Left>();

  const place = (left: Left, tried: Set<Right>): boolean => {
    for (const right of choices.get(left) ?? []) {
      if (tried.has(right)) continue;
      tried.add(right);
      const holder = owner.get(right);
      if (holder !== undefined && !place(holder, tried)) continue;
      owner.set(right, left);
      return true;
    }
    return false;
  };

  for (const left of lefts) place(left, new Set());
  return new Map([...owner].map(([right, left]) => [left, right]));
}

/*
 * Ids by score, best first and of equal scores the lower id first, as far as somebody asks: a binary
 * heap, made in O(n), each id taken out in O(log n).
 */

@inline
function scoreOf(scores: usize, id: i32): f32 {
  return load<f32>(scores + <usize>id * 4);
}

@inline
function isBefore(scores: usize, a: i32, b: i32): bool {
  const x = scoreOf(scores, a);
  const y = scoreOf(scores, b);
  return x > y || (x == y && a < b);
}

@inline
function idAt(heap: usize, index: i32): i32 {
  return load<i32>(heap + <usize>index * 4);
}

/** Moves the id at `index` down to where nothing below comes before it. */
function sink(scores: usize, heap: usize, index: i32, count: i32): void {
  const id = idAt(heap, index);
  for (let child = 2 * index + 1; child < count; child = 2 * index + 1) {
    const next = child + 1;
    if (next < count && isBefore(scores, idAt(heap, next), idAt(heap, child))) child = next;
    const other = idAt(heap, child);
    if (!isBefore(scores, other, id)) break;
    store<i32>(heap + <usize>index * 4, other);
    index = child;
  }
  store<i32>(heap + <usize>index * 4, id);
}

export function heapify(scores: usize, heap: usize, count: i32): void {
  for (let index = count / 2 - 1; index >= 0; index--) sink(scores, heap, index, count);
}

/** The best of `count` ids: it changes places with the last, which leaves the heap. */
export function popTop(scores: usize, heap: usize, count: i32): i32 {
  const top = idAt(heap, 0);
  store<i32>(heap, idAt(heap, count - 1));
  store<i32>(heap + <usize>(count - 1) * 4, top);
  sink(scores, heap, 0, count - 1);
  return top;
}

/** The `taken` ids at the end, last one first, are all that is left. */
export function keepTaken(heap: usize, count: i32, taken: i32): void {
  for (let low = count - taken, high = count - 1; low < high; low++, high--) {
    const id = idAt(heap, low);
    store<i32>(heap + <usize>low * 4, idAt(heap, high));
    store<i32>(heap + <usize>high * 4, id);
  }
  memory.copy(heap, heap + <usize>(count - taken) * 4, <usize>taken * 4);
}

import { expect, it } from 'vitest';
import { SlotPages } from '#lib/webgpu/gpu/kv/slot-pages.ts';

const PAGE = 64;
const KEYS = ['a', 'b', 'c'];

/** A session of three whole pages that keys find. */
function filled(pages: SlotPages): number {
  const kv = pages.open();
  pages.append(kv, 3 * PAGE);
  pages.keep(kv, 0, KEYS);
  return kv;
}

it('[W8] who shares gets copies of pages, and memory of its own for them', () => {
  const pages = new SlotPages(PAGE, 10);
  const first = filled(pages);
  const second = pages.open();
  expect(pages.share(second, ['a', 'b', 'x'])).toBe(2 * PAGE);
  expect(pages.pagesFree()).toBe(5);
  const [from, to] = [pages.slotOf(first), pages.slotOf(second)];
  expect(pages.shares()).toEqual([
    { from, to, page: 0 },
    { from, to, page: 1 },
  ]);
  pages.truncate(second, PAGE);
  expect(pages.shares()).toHaveLength(1);
  pages.shared();
  expect(pages.shares()).toEqual([]);
});

it('[W8] until copies are made, what they come from is held, whoever closed or rolled it back', () => {
  const pages = new SlotPages(PAGE, 4);
  const first = filled(pages);
  const slot = pages.slotOf(first);
  const second = pages.open();
  expect(pages.share(second, KEYS)).toBe(PAGE);
  pages.truncate(first, 3);
  expect(pages.held().get(slot)).toBe(PAGE);
  pages.close(first);
  pages.append(second, 2 * PAGE);
  expect(pages.held()).toEqual(
    new Map([
      [slot, PAGE],
      [pages.slotOf(second), 3 * PAGE],
    ]),
  );
  pages.shared();
  expect(pages.held()).toEqual(new Map([[pages.slotOf(second), 3 * PAGE]]));
});

it('[W8] a page that is still to come is copied from where it is, whatever becomes of who waits for it', () => {
  const pages = new SlotPages(PAGE, 12);
  const first = filled(pages);
  const [second, third] = [pages.open(), pages.open()];
  pages.share(second, KEYS);
  pages.share(third, KEYS);
  pages.truncate(second, 0);
  const [from, to] = [pages.slotOf(first), pages.slotOf(third)];
  expect(pages.shares()).toEqual([0, 1, 2].map((page) => ({ from, to, page })));
});

it('[W8] who is closed before its copies came, and alone has their keys, gets them all the same', () => {
  const pages = new SlotPages(PAGE, 12);
  const first = filled(pages);
  const second = pages.open();
  pages.share(second, KEYS);
  const [from, to] = [pages.slotOf(first), pages.slotOf(second)];
  pages.truncate(first, 0);
  pages.close(second);
  expect(pages.held().get(to)).toBe(3 * PAGE);
  expect(pages.shares()).toEqual([0, 1, 2].map((page) => ({ from, to, page })));
});

it('[W8] what a closed session leaves counts as free, and gives way, oldest first', () => {
  const pages = new SlotPages(PAGE, 6);
  pages.close(filled(pages));
  const other = pages.open();
  pages.append(other, 2 * PAGE);
  pages.keep(other, 0, ['x', 'y']);
  pages.close(other);
  expect(pages.pagesFree()).toBe(6);
  expect(pages.held().size).toBe(2);
  const third = pages.open();
  pages.append(third, 2 * PAGE);
  expect(pages.share(pages.open(), KEYS)).toBe(0);
  expect(pages.share(pages.open(), ['x', 'y'])).toBe(2 * PAGE);
});

it('[W8] a conversation that goes on takes its slot over, without a copy', () => {
  const pages = new SlotPages(PAGE, 6);
  const first = filled(pages);
  const slot = pages.slotOf(first);
  pages.append(first, 5);
  pages.close(first);
  expect(pages.held()).toEqual(new Map([[slot, 3 * PAGE]]));
  const second = pages.open();
  expect(pages.share(second, [...KEYS, 'd'])).toBe(3 * PAGE);
  expect(pages.slotOf(second)).toBe(slot);
  expect(pages.shares()).toEqual([]);
  expect(pages.pagesFree()).toBe(3);
  pages.close(second);
  expect(pages.pagesFree()).toBe(6);
});

it('[W8] pages that somebody else holds, too, are not kept twice', () => {
  const pages = new SlotPages(PAGE, 10);
  const first = filled(pages);
  const second = pages.open();
  pages.share(second, KEYS);
  pages.shared();
  pages.close(second);
  expect([...pages.held().keys()]).toEqual([pages.slotOf(first)]);
});

it('[W8] positions that were rolled back are found no more', () => {
  const pages = new SlotPages(PAGE, 10);
  const first = filled(pages);
  pages.truncate(first, PAGE + 1);
  expect(pages.share(pages.open(), KEYS)).toBe(PAGE);
});

it('[W3] pages missing and free are counted before anything is taken', () => {
  const pages = new SlotPages(PAGE, 3);
  const [a, b] = [pages.open(), pages.open()];
  pages.append(a, PAGE);
  expect(
    pages.pagesMissing([
      { kv: a, rows: 1 },
      { kv: b, rows: PAGE + 1 },
    ]),
  ).toBe(3);
  expect(pages.pagesFree()).toBe(2);
});

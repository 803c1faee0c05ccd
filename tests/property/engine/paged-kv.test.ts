import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PagedKv } from '#lib/webgpu/cpu/paged-kv.ts';

const PAGE = 8;
const PAGES = 12;

const action = fc.oneof(
  fc.record({ type: fc.constant('open' as const) }),
  fc.record({
    type: fc.constant('append' as const),
    pick: fc.nat(),
    rows: fc.integer({ min: 1, max: 40 }),
  }),
  fc.record({ type: fc.constant('truncate' as const), pick: fc.nat(), keep: fc.nat() }),
  fc.record({ type: fc.constant('close' as const), pick: fc.nat() }),
);

it('[W3] a page belongs to one cache or is free, and none is lost', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const kv = new PagedKv(PAGE, PAGES);
      const lengths = new Map<number, number>();
      for (const step of actions) {
        const open = [...lengths.keys()];
        if (step.type === 'open') lengths.set(kv.open(), 0);
        else if (open.length > 0) {
          const id = open[step.pick % open.length] ?? 0;
          const length = lengths.get(id) ?? 0;
          if (step.type === 'append' && kv.pagesMissing(id, step.rows) <= kv.pagesFree()) {
            kv.append(id, step.rows);
            lengths.set(id, length + step.rows);
          } else if (step.type === 'truncate') {
            kv.truncate(id, step.keep % (length + 1));
            lengths.set(id, step.keep % (length + 1));
          } else if (step.type === 'close') {
            kv.close(id);
            lengths.delete(id);
          }
        }
        const held = [...lengths.keys()].flatMap((id) => [...kv.pages(id)]);
        expect(new Set(held).size).toBe(held.length);
        expect(held.every((page) => page >= 0 && page < PAGES)).toBe(true);
        expect(held.length + kv.pagesFree()).toBe(PAGES);
        for (const [id, length] of lengths) {
          expect(kv.length(id)).toBe(length);
          expect(kv.pages(id).length).toBe(Math.ceil(length / PAGE));
        }
      }
    }),
  );
});

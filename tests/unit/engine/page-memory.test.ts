import { describe, expect, it } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { Arena } from '#lib/webgpu/cpu/arena.ts';
import { CPU_LIMITS } from '#lib/webgpu/cpu/limits.ts';
import { PageMemory, headStride, kvPageBytes } from '#lib/webgpu/cpu/page-memory.ts';
import { kvPositionBytes } from '#lib/webgpu/kv-size.ts';
import { NUMERICS, type Engine, type ModelShape } from '#lib/webgpu/model.ts';

const SHAPE = { layers: 3, kvHeads: 2, headDim: 22 } as ModelShape;
const RANGE = { first: 1, last: 2 };

const open = (numerics: (typeof NUMERICS)[number], pagesMax: number) => {
  const arena = new Arena(new WebAssembly.Memory({ initial: 1 }), 8);
  return {
    arena,
    pages: new PageMemory(arena, { shape: SHAPE, range: RANGE, numerics, pagesMax }),
  };
};
const total = (parts: readonly Uint8Array[]): number =>
  parts.reduce((sum, part) => sum + part.length, 0);

describe.each(NUMERICS)('KV pages in memory, %s', (numerics) => {
  it('[W3] every page has its bytes, and none of another’s', () => {
    const { pages } = open(numerics, 290);
    pages.make(290);
    for (let page = 0; page < 290; page += 1) {
      expect(total(pages.parts(page))).toBe(kvPageBytes(SHAPE, RANGE, numerics));
      for (const part of pages.parts(page)) part.fill(page);
    }
    for (let page = 0; page < 290; page += 1) {
      for (const part of pages.parts(page))
        expect(part.every((byte) => byte === page % 256)).toBe(true);
    }
  });

  it('[W3] pages that follow each other lie in one piece, part by part', () => {
    const { pages } = open(numerics, 16);
    pages.make(1);
    const [first, second] = [pages.parts(3), pages.parts(4)];
    first.forEach((part, i) => {
      expect(part.byteOffset + part.length).toBe(must(second[i], 'a part').byteOffset);
    });
  });

  it('[W3] behind the last part lies what kernels call for', () => {
    const { arena, pages } = open(numerics, 16);
    pages.make(16);
    const last = must(pages.parts(15).at(-1), 'a part');
    expect(arena.allocate(4) - (last.byteOffset + last.length)).toBeGreaterThanOrEqual(1024);
  });

  it('[W8] a copy is of all parts, from one group to another', () => {
    const { pages } = open(numerics, 290);
    pages.make(290);
    pages.parts(2).forEach((part, i) => part.fill(i + 1));
    pages.copy(2, 280);
    expect(pages.parts(280).map((part) => [...new Set(part)])).toEqual(
      pages.parts(2).map((_, i) => [i + 1]),
    );
  });

  it('[W3] memory is made a group at a time, for a few pages more than there may be at most', () => {
    const { arena, pages } = open(numerics, 290);
    const pageBytes = kvPageBytes(SHAPE, RANGE, numerics);
    pages.make(1);
    expect(arena.size).toBeLessThan(98 * pageBytes);
    pages.make(290);
    expect(arena.size).toBeLessThan(293 * pageBytes);
  });

  it('[W3] what no page of a group has had yet does not count', () => {
    const { arena, pages } = open(numerics, 290);
    const pageBytes = kvPageBytes(SHAPE, RANGE, numerics);
    const held = (touched: number) => arena.size - pages.untouchedBytes(touched);
    const before = held(0);
    pages.make(1);
    expect(held(1) - before).toBeLessThan(2 * pageBytes);
    pages.make(98);
    expect(held(98) - before).toBeGreaterThanOrEqual(98 * pageBytes);
    expect(held(98) - before).toBeLessThan(100 * pageBytes);
    pages.make(5);
    expect(held(98) - before).toBeGreaterThanOrEqual(98 * pageBytes);
    expect(held(5) - before).toBeLessThan(7 * pageBytes);
  });

  it('[W3] a group is no larger than its limit, but holds a page', () => {
    const layers = 4000;
    const wide = { ...SHAPE, layers } as ModelShape;
    const range = { first: 0, last: layers - 1 };
    const pageBytes = kvPageBytes(wide, range, numerics);
    const of = { shape: wide, range, numerics, pagesMax: 64 };
    const pages = Math.floor(CPU_LIMITS.groupBytesMax / pageBytes);
    expect(pages).toBeLessThan(64);
    expect(headStride(of)).toBeLessThanOrEqual((pages * pageBytes) / (layers * 2 * SHAPE.kvHeads));
    expect(headStride({ ...of, pagesMax: 1 })).toBe(pageBytes / (layers * 2 * SHAPE.kvHeads));
  });
});

it('[W3] a position takes 16 bits and a scale a head with int16 on a processor', () => {
  const bytes = (engine: Engine, numerics: (typeof NUMERICS)[number]) =>
    kvPositionBytes(SHAPE, RANGE, { engine, numerics });
  const heads = 2 * 2 * 2;
  expect(bytes('cpu-wasm', 'int16')).toBe(heads * (2 * 22 + 4));
  expect(bytes('cpu-wasm', 'exact')).toBe(heads * 4 * 22);
  expect(bytes('gpu-webgpu', 'int16')).toBe(heads * 4 * 22);
  expect(bytes('gpu-webgpu-f16', 'int16')).toBe(heads * 2 * 22);
});

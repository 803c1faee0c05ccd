import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatBytes } from '#lib/kernel/bytes.ts';
import { FrameReader, frameOf, framesOf } from '#server/replica/transport/frames.ts';
import { decodePing, encodePing } from '#server/replica/transport/ping.ts';

test('[X6] a stream gives its frames, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 40 }),
      (frames, cuts) => {
        const stream = Uint8Array.from(framesOf(frames));
        expect(stream).toEqual(concatBytes(frames.map(frameOf)));
        const reader = new FrameReader(40);
        const read: Uint8Array[] = [];
        for (let at = 0, i = 0; at < stream.length; i += 1) {
          const end = at + cuts[i % cuts.length]!;
          read.push(...reader.push(stream.slice(at, end)));
          at = end;
        }
        expect(read).toEqual(frames);
        expect(reader.isWithin).toBe(false);
      },
    ),
  );
});

test('[X6] a length is refused at sight, before its bytes come', () => {
  const header = new Uint8Array([0x40, 0, 0, 0]);
  expect(() => new FrameReader(1024).push(header)).toThrow(/too long/);
  expect(() => new FrameReader(1024).push(new Uint8Array(4))).toThrow(/no bytes/);
  expect(new FrameReader(1024).push(new Uint8Array([0, 0, 4]))).toEqual([]);
});

test('[X4] a ping is itself again, and anything else is none', () => {
  for (const ping of [
    { kind: 'ask', sentAt: 17 },
    { kind: 'answer', sentAt: 17, wallMs: 1_800_000_000_000 },
    { kind: 'end', code: 'wire/too-large' },
  ] as const) {
    expect(decodePing(encodePing(ping))).toEqual(ping);
    expect(decodePing(concatBytes([encodePing(ping), new Uint8Array(1)]))).toBeNull();
    expect(decodePing(encodePing(ping).subarray(0, -1))).toBeNull();
  }
  expect(decodePing(new Uint8Array([0, 2, 2]))).toBeNull();
  expect(decodePing(new Uint8Array([0, 3, 0, 0, 0, 0, 0, 0, 0, 0]))).toBeNull();
});

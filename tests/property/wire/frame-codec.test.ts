import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SessionId } from '#lib/kernel/ids.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import {
  decodeFrame,
  encodeFrame,
  FRAME_HEADER_BYTES,
  frameBytes,
} from '#lib/shard/wire/frame-codec.ts';
import { fromHalfBits } from '#lib/kernel/half.ts';
import { RING, WIRE } from '#lib/shard/wire/limits.ts';
import { readValues, rowBytes, writeValues } from '#lib/shard/wire/row-values.ts';
import type { WireDtype } from '#lib/shard/wire/session-messages.ts';

const whole = (max: number) => fc.integer({ min: 0, max });
const address = {
  session: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString('hex') as SessionId),
  epoch: whole(2 ** 31),
  place: whole(WIRE.placesMax - 1),
};
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const half = whole(2 ** 16 - 1)
  .map(fromHalfBits)
  .filter((value) => Number.isFinite(value));

const rowsOf = (dtype: WireDtype, value: fc.Arbitrary<number>, widthMax = 9) =>
  fc
    .record({ rows: fc.integer({ min: 1, max: 5 }), width: fc.integer({ min: 1, max: widthMax }) })
    .chain(({ rows, width }) =>
      fc.record({
        type: fc.constant('rows' as const),
        ...address,
        seq: whole(2 ** 32 - 1),
        firstPosition: whole(WIRE.promptIdsMax - 5),
        rows: fc.constant(rows),
        width: fc.constant(width),
        dtype: fc.constant(dtype),
        data: fc
          .array(value, { minLength: rows * width, maxLength: rows * width })
          .map((values) => Float32Array.from(values)),
      }),
    );

/** As a reader gets it: bytes and the scales of their blocks. */
const inBytes = rowsOf('int8', finite, 70).map((frame) => {
  const decoded = decodeFrame(encodeFrame(frame));
  if (!decoded.ok) throw new Error(decoded.why);
  return decoded.frame;
});

const frames: fc.Arbitrary<Frame> = fc.oneof(
  rowsOf('f32', finite),
  rowsOf('f16', half),
  inBytes,
  fc.record({
    type: fc.constant('token' as const),
    ...address,
    seq: whole(2 ** 32 - 1),
    position: whole(WIRE.promptIdsMax),
    id: whole(WIRE.tokenIdMax),
    drafts: fc.array(whole(WIRE.tokenIdMax), { maxLength: RING.draftsMax }),
  }),
  fc.record({
    type: fc.constant('chunk-ack' as const),
    ...address,
    taken: whole(2 ** 32 - 1),
  }),
);

describe('frame codec', () => {
  it('[S2] every frame comes back as it was, with room left for a header', () => {
    fc.assert(
      fc.property(frames, whole(16), (frame, headroom) => {
        const bytes = encodeFrame(frame, headroom);
        expect(bytes.length).toBe(headroom + frameBytes(frame));
        expect(decodeFrame(bytes.subarray(headroom))).toEqual({ ok: true, frame });
      }),
    );
  });

  it('[M4] mutated, cut and foreign bytes never throw, and what passes is within bounds', () => {
    const mutated = fc
      .tuple(frames, fc.array(fc.tuple(fc.nat(), whole(255)), { maxLength: 6 }), fc.nat())
      .map(([frame, changes, cut]) => {
        const bytes = encodeFrame(frame);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return cut % 4 === 0 ? bytes.slice(0, cut % (bytes.length + 1)) : bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        const decoded = decodeFrame(bytes);
        if (!decoded.ok) return;
        const { frame } = decoded;
        expect(frame.place).toBeLessThan(WIRE.placesMax);
        if (frame.type === 'rows') {
          expect(frame.data.length).toBe(frame.rows * frame.width);
          expect(frame.data.every(Number.isFinite)).toBe(true);
        }
        if (frame.type === 'token') {
          expect(frame.drafts.length).toBeLessThanOrEqual(RING.draftsMax);
          expect(Math.max(0, ...frame.drafts)).toBeLessThanOrEqual(WIRE.tokenIdMax);
        }
        // Which values are the outliers is the sender's to say.
        if (frame.type === 'rows' && frame.dtype === 'int8') return;
        expect([...encodeFrame(frame)]).toEqual([...bytes]);
      }),
      { numRuns: 3_000 },
    );
  });

  const good: Frame = {
    type: 'rows',
    session: 'ab'.repeat(16) as SessionId,
    epoch: 1,
    place: 1,
    seq: 0,
    firstPosition: 0,
    rows: 2,
    width: 3,
    dtype: 'f32',
    data: new Float32Array(6),
  };

  it('[M4] an infinity or a NaN is refused by name', () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      const bytes = encodeFrame({ ...good, data: Float32Array.of(0, 0, value, 0, 0, 0) });
      expect(decodeFrame(bytes)).toEqual({ ok: false, why: 'not-finite' });
    }
    const half = encodeFrame({ ...good, dtype: 'f16' });
    half.set([0x00, 0x7c], FRAME_HEADER_BYTES);
    expect(decodeFrame(half)).toEqual({ ok: false, why: 'not-finite' });
    for (const value of [NaN, Infinity, -Infinity]) {
      const outlier = Float32Array.of(0, 0, value, 0, 0, 0);
      const sent = encodeFrame({ ...good, dtype: 'int8', data: outlier });
      expect(decodeFrame(sent)).toEqual({ ok: false, why: 'not-finite' });
    }
  });

  /** Of two rows of three: an outlier (index 2, 30), a scale and three bytes, of which 127 is the second. */
  const sentInBytes = (change: readonly (readonly [number, number])[]) => {
    const data = Float32Array.of(1, -2, 30, 0, 0, 0);
    const bytes = encodeFrame({ ...good, dtype: 'int8', data });
    for (const [at, value] of change) bytes[FRAME_HEADER_BYTES + at] = value;
    return decodeFrame(bytes);
  };

  it.each([
    ['its largest byte is not 127', 'scale', [[9, 126]]],
    ['a byte is −128', 'scale', [[9, 0x80]]],
    ['it is negative', 'scale', [[7, 0xbc]]],
    [
      'it is 0 and its bytes are not',
      'scale',
      [
        [6, 0],
        [7, 0],
      ],
    ],
    ['its bytes are 0 and it is not', 'scale', [[18, 0x3f]]],
    ['it is no normal number', 'scale', [[7, 0]]],
    [
      'it is larger than any',
      'scale',
      [
        [6, 0],
        [7, 0x7f],
      ],
    ],
    [
      'it is infinite',
      'scale',
      [
        [6, 0x80],
        [7, 0x7f],
      ],
    ],
  ] as const)('[M4] a block whose scale lies is refused: %s', (_, why, change) => {
    expect(sentInBytes([])).toMatchObject({ ok: true });
    expect(sentInBytes(change)).toEqual({ ok: false, why });
  });

  it.each([
    ['past the row', 'outliers', [[0, 3]]],
    ['far past it', 'outliers', [[1, 1]]],
    ['where another value is', 'outliers', [[0, 1]]],
    [
      'infinite',
      'not-finite',
      [
        [4, 0x80],
        [5, 0x7f],
      ],
    ],
  ] as const)('[M4] an outlier is refused that is %s', (_, why, change) => {
    expect(sentInBytes(change)).toEqual({ ok: false, why });
  });

  it('[M4] outliers out of order, or one twice, are refused', () => {
    const data = new Float32Array(256);
    data.set([5, 9], 40);
    const bytes = encodeFrame({ ...good, rows: 1, width: 256, dtype: 'int8', data });
    expect(decodeFrame(bytes)).toMatchObject({ ok: true, frame: { data } });
    for (const second of [39, 40]) {
      bytes[FRAME_HEADER_BYTES + 6] = second;
      expect(decodeFrame(bytes)).toEqual({ ok: false, why: 'outliers' });
    }
  });

  it('[S9] values in bytes are off by a step of their block at most, the largest of a row by nothing', () => {
    const rows = fc
      .record({ rows: fc.integer({ min: 1, max: 4 }), width: fc.integer({ min: 1, max: 70 }) })
      .chain(({ rows, width }) =>
        fc.record({
          width: fc.constant(width),
          values: fc.array(fc.float({ noNaN: true, min: -1e6, max: 1e6 }), {
            minLength: rows * width,
            maxLength: rows * width,
          }),
        }),
      );
    const through = (data: Float32Array, width: number): Float32Array => {
      const shape = { width, dtype: 'int8' } as const;
      const payload = new Uint8Array((data.length / width) * rowBytes(width, 'int8'));
      writeValues(payload, data, shape);
      return readValues(payload, shape) as Float32Array;
    };
    fc.assert(
      fc.property(rows, ({ width, values }) => {
        const data = Float32Array.from(values);
        const read = through(data, width);
        for (let first = 0; first < data.length; first += width) {
          const row = data.subarray(first, first + width);
          expect(through(row, width)).toEqual(read.slice(first, first + width));
          const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          expect(Math.max(...read.slice(first, first + width).map(Math.abs))).toBe(largest);
          for (let at = 0; at < width; at += 32) {
            const errors = [...row.subarray(at, at + 32)].map((value, i) =>
              Math.abs(value - (read[first + at + i] ?? NaN)),
            );
            const step = Math.max(...row.subarray(at, at + 32).map(Math.abs)) / 127;
            expect(Math.max(...errors)).toBeLessThanOrEqual(step + 2 ** -100);
          }
        }
      }),
    );
  });

  it.each([
    ['another version', 0, 9, 'version'],
    ['another type', 1, 7, 'malformed'],
    ['another dtype', 2, 5, 'malformed'],
    ['place 64', 24, 64, 'malformed'],
    ['a position past the context', 34, 0xff, 'malformed'],
    ['2 049 rows', 37, 8, 'malformed'],
    ['one value a row more', 40, 4, 'length'],
    ['another payload length', 44, 20, 'length'],
  ] as const)('%s is refused', (...[, at, value, why]) => {
    const bytes = encodeFrame(good);
    bytes[at] = value;
    expect(decodeFrame(bytes)).toEqual({ ok: false, why });
  });

  it.each([
    ['one draft more than there is', 40, 3, 'length'],
    ['nine drafts', 40, 9, 'malformed'],
    ['a draft past every vocabulary', FRAME_HEADER_BYTES + 7, 1, 'malformed'],
  ] as const)('[M4] of a token: %s is refused', (...[, at, value, why]) => {
    const { session, epoch } = good;
    const token = { type: 'token', session, epoch, place: 0, seq: 1, position: 9, id: 4 } as const;
    const bytes = encodeFrame({ ...token, drafts: [5, 6] });
    expect(decodeFrame(bytes)).toMatchObject({ ok: true });
    bytes[at] = value;
    expect(decodeFrame(bytes)).toEqual({ ok: false, why });
  });
});

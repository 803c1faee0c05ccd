import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { SessionId } from '#lib/kernel/ids.ts';
import { KIB } from '#lib/kernel/units.ts';
import { FRAGMENT_HEADER_BYTES, OutgoingFrame, Reassembly } from '#lib/shard/mesh/fragments.ts';
import { FrameChannel } from '#lib/shard/mesh/frame-channel.ts';
import { MESH } from '#lib/shard/mesh/limits.ts';
import { memoryByteChannels } from '#lib/shard/mesh/memory-byte-channel.ts';
import type { ByteChannel } from '#lib/shard/mesh/types.ts';
import type { Frame, RowsFrame } from '#lib/shard/wire/frame.ts';
import { encodeFrame } from '#lib/shard/wire/frame-codec.ts';
import { RING, WIRE } from '#lib/shard/wire/limits.ts';

const session = (fill: string) => fill.repeat(32) as SessionId;
const rows = (count: number, seq: number, of = session('a')): RowsFrame => ({
  type: 'rows',
  session: of,
  epoch: 1,
  place: 1,
  seq,
  firstPosition: seq * 512,
  rows: count,
  width: 576,
  dtype: 'f32',
  data: new Float32Array(count * 576).fill(seq),
});
const token = (seq: number): Frame => ({
  type: 'token',
  session: session('b'),
  epoch: 1,
  place: 0,
  seq,
  position: seq,
  id: seq,
  drafts: [],
});

/** A byte channel that takes what it is given and drains only when told. */
function heldChannel() {
  let buffered = 0;
  let drain: () => void = () => undefined;
  const sent: Uint8Array<ArrayBuffer>[] = [];
  const close = vi.fn();
  const channel: ByteChannel = {
    send: (bytes) => {
      sent.push(bytes);
      buffered += bytes.length;
    },
    bufferedBytes: () => buffered,
    onDrain: (listener) => (drain = listener),
    onBytes: () => undefined,
    onClose: () => undefined,
    close,
  };
  return {
    channel,
    close,
    sent,
    buffered: () => buffered,
    drain: () => {
      buffered = 0;
      drain();
    },
  };
}

const framesIn = (assembly: Reassembly, message: Uint8Array<ArrayBuffer>) => {
  const frames = assembly.take(message);
  if (frames === 'malformed') throw new Error('malformed');
  return frames;
};

describe('FrameChannel', () => {
  it('carries frames of all sizes unchanged', async () => {
    const [a, b] = memoryByteChannels();
    const got: Frame[] = [];
    new FrameChannel(b).onFrames((frames) => got.push(...frames));
    const sender = new FrameChannel(a);
    const frames: Frame[] = [rows(1, 0), rows(40, 1), token(2), rows(3, 3)];
    for (const frame of frames) sender.send(frame);
    await expect.poll(() => got.length).toBe(4);
    const bySeq = (all: Frame[]) =>
      all.toSorted((x, y) => ('seq' in x && 'seq' in y ? x.seq - y.seq : 0));
    expect(bySeq(got)).toEqual(frames);
    expect(sender.counters).toMatchObject({ framesSent: 4 });
    expect(sender.queuedBytes).toBe(0);
  });

  it('[S12] holds 256 KiB at most; tokens, then decode rows pass a prefill at the next border', () => {
    const held = heldChannel();
    const sender = new FrameChannel(held.channel);
    sender.send(rows(512, 0));
    expect(held.buffered()).toBeLessThanOrEqual(RING.bufferedBytesMax);
    expect(held.buffered()).toBeGreaterThan(RING.bufferedBytesMax - WIRE.fragmentBytesMax);
    expect(Math.max(...held.sent.map((bytes) => bytes.length))).toBe(WIRE.fragmentBytesMax);
    sender.send(rows(1, 0, session('c')));
    sender.send(token(0));
    const before = held.sent.length;
    held.drain();
    const lanesOf = (message: Uint8Array<ArrayBuffer>) =>
      framesIn(new Reassembly(), message).map(
        (frame) => message[frame.byteOffset - FRAGMENT_HEADER_BYTES + 1],
      );
    const [urgent, next] = held.sent.slice(before);
    expect(urgent && lanesOf(urgent)).toEqual([0, 1]);
    expect(next?.[1]).toBe(2);
  });

  it('[S2] a last chunk of one row never passes the chunks of its hop before it', async () => {
    const held = heldChannel();
    const sender = new FrameChannel(held.channel);
    sender.send(rows(512, 0));
    sender.send(rows(1, 1));
    sender.send(rows(1, 2));
    const assembly = new Reassembly();
    const order: number[] = [];
    while (sender.queuedBytes > 0) held.drain();
    for (const fragment of held.sent) {
      for (const frame of framesIn(assembly, fragment))
        order.push(new DataView(frame.buffer, frame.byteOffset).getUint32(28, true));
    }
    expect(order).toEqual([0, 1, 2]);
    sender.send(rows(1, 3));
    expect(held.sent.at(-1)?.[1]).toBe(1);
    await Promise.resolve();
  });

  it('frames sent together arrive together, in one message', async () => {
    const [a, b] = memoryByteChannels();
    const messages = vi.spyOn(a, 'send');
    const got: (readonly Frame[])[] = [];
    new FrameChannel(b).onFrames((frames) => got.push(frames));
    const together = [rows(1, 0), rows(1, 0, session('c')), token(0)];
    new FrameChannel(a).send(...together);
    await expect.poll(() => got).toHaveLength(1);
    expect(messages).toHaveBeenCalledTimes(1);
    // The most urgent lane first.
    expect(got[0]).toEqual([token(0), rows(1, 0), rows(1, 0, session('c'))]);
  });

  it('[S12] a message of several frames is no longer than a fragment', () => {
    const held = heldChannel();
    new FrameChannel(held.channel).send(...Array.from({ length: 40 }, (_, seq) => rows(1, seq)));
    expect(held.sent.length).toBe(2);
    for (const { length } of held.sent) expect(length).toBeLessThanOrEqual(WIRE.fragmentBytesMax);
  });

  it('ends a link that is too slow for what is sent', () => {
    const held = heldChannel();
    const sender = new FrameChannel(held.channel);
    const ended = vi.fn();
    sender.onClose(ended);
    for (let i = 0; i < 2 + MESH.queuedBytesMax / (512 * 576 * 4); i += 1)
      sender.send(rows(512, i));
    expect(ended).toHaveBeenCalledExactlyOnceWith('overflow');
    expect(held.close).toHaveBeenCalled();
  });

  it.each([
    ['malformed', Uint8Array.of(1, 2, 3)],
    ['malformed', Uint8Array.of(1, 3, 0, 0, 1, 0, 0, 0, 9)],
    ['malformed', Uint8Array.of(2, 0, 0, 0, 1, 0, 0, 0, 9)],
    ['malformed', Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255, 9)],
    ['malformed', Uint8Array.of(1, 0, 0, 0, 100, 0, 0, 0, 9)],
    ['length', Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 9)],
  ])('[M4] a peer that sends what is no frame ends the channel: %s', async (why, bytes) => {
    const [a, b] = memoryByteChannels();
    const ended = vi.fn();
    new FrameChannel(b).onClose(ended);
    a.send(bytes);
    await expect.poll(() => ended).toHaveBeenCalledExactlyOnceWith(why);
  });

  it('[M4] a frame with a NaN ends the channel by name', async () => {
    const [a, b] = memoryByteChannels();
    const ended = vi.fn();
    new FrameChannel(b).onClose(ended);
    new FrameChannel(a).send({ ...rows(1, 0), data: new Float32Array(576).fill(NaN) });
    await expect.poll(() => ended).toHaveBeenCalledExactlyOnceWith('not-finite');
  });
});

describe('Reassembly', () => {
  const fragmentsOf = (bytes: Uint8Array, lane: 0 | 1 | 2) => {
    const withRoom = new Uint8Array(FRAGMENT_HEADER_BYTES + bytes.length);
    withRoom.set(bytes, FRAGMENT_HEADER_BYTES);
    const outgoing = new OutgoingFrame(withRoom, lane);
    const fragments: Uint8Array<ArrayBuffer>[] = [];
    while (outgoing.leftBytes > 0) fragments.push(outgoing.next());
    return fragments;
  };

  it('puts any frames together again, however their lanes interleave', () => {
    const frame = fc
      .tuple(fc.constantFrom(0, 1, 2), fc.integer({ min: 1, max: 300 * KIB }), fc.nat(255))
      .map(([lane, length, fill]) => ({
        lane: lane,
        bytes: new Uint8Array(length).fill(fill),
      }));
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 6 }),
        fc.infiniteStream(fc.nat(2)),
        (frames, turns) => {
          const lanes = [0, 1, 2].map((lane) =>
            frames.filter((f) => f.lane === lane).flatMap((f) => fragmentsOf(f.bytes, f.lane)),
          );
          const got: Uint8Array[] = [];
          const assembly = new Reassembly();
          while (lanes.some((lane) => lane.length > 0)) {
            const fragment = lanes[turns.next().value as number]?.shift();
            if (fragment) got.push(...framesIn(assembly, fragment));
          }
          const digest = (all: Uint8Array[]) => all.map((b) => `${b.length}/${b[0] ?? ''}`).sort();
          expect(digest(got)).toEqual(digest(frames.map((f) => f.bytes)));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never throws on fragments of strangers', () => {
    const real = fragmentsOf(encodeFrame(rows(64, 0)), 2);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(...real)), {
          maxLength: 8,
        }),
        (fragments) => {
          const assembly = new Reassembly();
          for (const fragment of fragments) assembly.take(fragment);
        },
      ),
    );
  });
});

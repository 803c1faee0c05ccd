import { afterEach, describe, expect, it, vi } from 'vitest';
import { memoryByteChannels } from '#lib/shard/mesh/memory-byte-channel.ts';
import { portByteChannel } from '#lib/shard/mesh/port-byte-channel.ts';
import { pump } from '#lib/shard/mesh/pump.ts';
import { rtcByteChannel } from '#lib/shard/mesh/rtc-byte-channel.ts';
import { MESH } from '#lib/shard/mesh/limits.ts';
import type { ByteChannel } from '#lib/shard/mesh/types.ts';
import { KIB } from '#lib/kernel/units.ts';
import { rtcPair } from './rtc-pair.ts';

interface Pair {
  readonly ends: readonly [ByteChannel, ByteChannel];
  readonly close: () => void;
}

const portPair = (): Pair => {
  const { port1, port2 } = new MessageChannel();
  const ends = [portByteChannel(port1), portByteChannel(port2)] as const;
  return { ends, close: () => ends.forEach((end) => end.close()) };
};

const rtc = async (): Promise<Pair> => {
  const pair = await rtcPair();
  return {
    ends: [rtcByteChannel(pair.channels[0]), rtcByteChannel(pair.channels[1])],
    close: pair.close,
  };
};

/** As in a node without transferable channels: worker — port — pump — data channel — peer. */
const pumpedRtc = async (): Promise<Pair> => {
  const pair = await rtcPair();
  const { port1, port2 } = new MessageChannel();
  pump(
    portByteChannel(port1, { manual: true }),
    rtcByteChannel(pair.channels[0], { manual: true }),
  );
  return {
    ends: [portByteChannel(port2), rtcByteChannel(pair.channels[1])],
    close: pair.close,
  };
};

const implementations: readonly { name: string; make: () => Pair | Promise<Pair> }[] = [
  { name: 'memory', make: () => ({ ends: memoryByteChannels(), close: () => undefined }) },
  { name: 'MessagePort', make: portPair },
  { name: 'RTCDataChannel', make: rtc },
  { name: 'pumped RTCDataChannel', make: pumpedRtc },
];

describe.each(implementations)('ByteChannel: $name', ({ make }) => {
  let pair: Pair | null = null;
  const open = async () => (pair = await make()).ends;
  afterEach(() => pair?.close());

  const received = (channel: ByteChannel) => {
    const all: Uint8Array[] = [];
    channel.onBytes((bytes) => all.push(bytes));
    return all;
  };

  it('carries bytes unchanged and in order, both ways, sent before it is open', async () => {
    const [a, b] = await open();
    const atA = received(a);
    const atB = received(b);
    for (let i = 0; i < 200; i += 1) {
      a.send(Uint8Array.of(i, 1));
      b.send(Uint8Array.of(i, 2));
    }
    const whole = Uint8Array.from({ length: 64 * KIB }, (_, i) => (i * 31) & 0xff);
    a.send(whole.slice());
    await vi.waitFor(() => expect([atA.length, atB.length]).toEqual([200, 201]), 10_000);
    expect(atA.map((bytes) => [...bytes])).toEqual(Array.from({ length: 200 }, (_, i) => [i, 2]));
    expect(atB.slice(0, 200).map((b) => b[0])).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(Buffer.compare(atB[200] as Uint8Array, whole)).toBe(0);
  });

  it('keeps what came before anybody listened', async () => {
    const [a, b] = await open();
    a.send(Uint8Array.of(7));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const atB = received(b);
    await expect.poll(() => atB.map((bytes) => bytes[0])).toEqual([7]);
  });

  it('[S12] counts what is on the way, and drains once each time it falls below the mark', async () => {
    const [a, b] = await open();
    const atB = received(b);
    let drains = 0;
    a.onDrain(() => (drains += 1));
    for (let round = 1; round <= 2; round += 1) {
      for (let i = 0; i < 4; i += 1) a.send(new Uint8Array(64 * KIB));
      expect(a.bufferedBytes()).toBeGreaterThan(MESH.lowMarkBytes);
      await vi.waitFor(() => expect(drains).toBe(round), 10_000);
      expect(a.bufferedBytes()).toBeLessThanOrEqual(MESH.lowMarkBytes);
      await vi.waitFor(() => expect(atB.length).toBe(4 * round), 10_000);
    }
    expect(drains).toBe(2);
  });

  it('[S12] counts what nobody has read yet, however long it is there', async () => {
    const [a, b] = await open();
    const atB = received(b);
    a.send(Uint8Array.of(1));
    await vi.waitFor(() => expect(atB.length).toBe(1), 10_000);
    b.send(Uint8Array.of(1));
    for (let i = 0; i < 4; i += 1) b.send(new Uint8Array(64 * KIB));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(b.bufferedBytes()).toBeGreaterThan(MESH.lowMarkBytes);
    const atA = received(a);
    await vi.waitFor(() => expect(atA).toHaveLength(5), 10_000);
    await vi.waitFor(() => expect(b.bufferedBytes()).toBeLessThan(MESH.creditEveryBytes), 10_000);
  });

  it('ends at both ends, once, and drops what is sent later', async () => {
    const [a, b] = await open();
    const atB = received(b);
    a.send(Uint8Array.of(1));
    await vi.waitFor(() => expect(atB.length).toBe(1), 10_000);
    const ends = [0, 0];
    a.onClose(() => (ends[0] = (ends[0] ?? 0) + 1));
    b.onClose(() => (ends[1] = (ends[1] ?? 0) + 1));
    a.close();
    a.close();
    await vi.waitFor(() => expect(ends).toEqual([1, 1]), 10_000);
    a.send(Uint8Array.of(2));
    b.send(Uint8Array.of(2));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(atB.length).toBe(1);
    const late = vi.fn();
    b.onClose(late);
    expect(late).toHaveBeenCalledOnce();
  });
});

describe('RTCDataChannel: what a stranger says', () => {
  let pair: Awaited<ReturnType<typeof rtcPair>> | null = null;
  afterEach(() => pair?.close());

  const open = async (): Promise<{ ours: ByteChannel; theirs: RTCDataChannel }> => {
    pair = await rtcPair();
    const [ours, theirs] = pair.channels;
    await vi.waitFor(() => expect(theirs.readyState).toBe('open'), 10_000);
    return { ours: rtcByteChannel(ours), theirs };
  };

  it.each(['', '0', '-1', '1e9', '1234567890', 'NaN', '5 '])(
    '[M4] text that is no credit ends it: %j',
    async (text) => {
      const { ours, theirs } = await open();
      const ended = vi.fn();
      ours.onClose(ended);
      theirs.send(text);
      await vi.waitFor(() => expect(ended).toHaveBeenCalledOnce(), 10_000);
    },
  );

  it('[S12] credit for more than was sent makes no room beyond the window', async () => {
    const { ours, theirs } = await open();
    const heard = vi.fn();
    ours.onBytes(heard);
    theirs.send('999999999');
    theirs.send(Uint8Array.of(1));
    await vi.waitFor(() => expect(heard).toHaveBeenCalled(), 10_000);
    ours.send(new Uint8Array(64 * KIB));
    expect(ours.bufferedBytes()).toBe(64 * KIB);
  });
});

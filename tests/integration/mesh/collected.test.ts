import { readdirSync } from 'node:fs';
import wrtc from '@roamhq/wrtc';
import { expect, it, vi } from 'vitest';
import { collectedWebRtc } from '#lib/shard/mesh/collected-webrtc.ts';

const PAIRS = 5;
const handles = (): number => readdirSync('/proc/self/fd').length;

/** Connects two connections to each other and closes them. */
async function connectAndClose({ RTCPeerConnection: Connection }: typeof wrtc): Promise<void> {
  const [a, b] = [new Connection({ iceServers: [] }), new Connection({ iceServers: [] })];
  a.onicecandidate = ({ candidate }) =>
    void (candidate && b.addIceCandidate(candidate).catch(() => 0));
  b.onicecandidate = ({ candidate }) =>
    void (candidate && a.addIceCandidate(candidate).catch(() => 0));
  const channels = [a, b].map((end) => end.createDataChannel('c', { negotiated: true, id: 0 }));
  const open = channels.map((channel) => new Promise((done) => (channel.onopen = done)));
  await a.setLocalDescription(await a.createOffer());
  await b.setRemoteDescription(a.localDescription as RTCSessionDescription);
  await b.setLocalDescription(await b.createAnswer());
  await a.setRemoteDescription(b.localDescription as RTCSessionDescription);
  await Promise.all(open);
  // Used after the wait: a channel that nobody refers to is collected with its listeners.
  for (const channel of channels) channel.close();
  a.close();
  b.close();
}

it('[M9] a closed connection gives its threads and handles back', async () => {
  const collected = { ...wrtc, ...collectedWebRtc(wrtc, { afterMs: 50 }) };
  await connectAndClose(collected);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = handles();
  for (let i = 0; i < PAIRS; i += 1) await connectAndClose(collected);
  await expect.poll(handles).toBeLessThan(before + 8);
});

it('[M9] V8 is asked twice for all that closed within a while, and not while nothing closes', () => {
  vi.useFakeTimers();
  try {
    const collect = vi.fn();
    const { RTCPeerConnection: Connection } = collectedWebRtc(wrtc, { afterMs: 5_000, collect });
    const close = (): void => new Connection({ iceServers: [] }).close();
    for (let i = 0; i < 3; i += 1) close();
    vi.advanceTimersByTime(4_999);
    expect(collect).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(60_000);
    expect(collect).toHaveBeenCalledTimes(2);
    close();
    vi.advanceTimersByTime(5_000);
    expect(collect).toHaveBeenCalledTimes(3);
  } finally {
    vi.useRealTimers();
  }
});

import { describe, expect, it } from 'vitest';
import type { Frame } from '#lib/shard/wire/frame.ts';
import { PeerLinks, type FrameLink } from '#lib/shard/stage/peer-links.ts';
import { StageMetrics } from '#lib/shard/stage/metrics.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { ADDRESS, PEER } from './one-host.ts';

const frame: Frame = { type: 'chunk-ack', ...ADDRESS, place: 0, taken: 1 };

class Channel implements FrameLink {
  readonly sent: Frame[] = [];
  closed = 0;
  deliver: (frames: readonly Frame[]) => void = () => undefined;
  end: (why: string) => void = () => undefined;
  send(...frames: readonly Frame[]): void {
    this.sent.push(...frames);
  }
  onFrames(listener: (frames: readonly Frame[]) => void): void {
    this.deliver = listener;
  }
  onClose(listener: (why: string) => void): void {
    this.end = listener;
  }
  close(): void {
    this.closed += 1;
  }
}

function links() {
  const seen: string[] = [];
  const made = new PeerLinks({
    frames: () => seen.push('frames'),
    open: (_peer, path) => seen.push(`open ${path}`),
    closed: () => seen.push('closed'),
    rejected: (_peer, why) => seen.push(`rejected ${why}`),
  });
  return { made, seen };
}

describe('links of a host', () => {
  it('[H6] a frame without a link is not swallowed', () => {
    expect(links().made.send(PEER, [frame])).toBe(false);
  });

  it('[H6] frames wait in a channel that is not open yet', () => {
    const { made } = links();
    const channel = new Channel();
    made.add(PEER, 'a', channel);
    expect(made.send(PEER, [frame])).toBe(true);
    expect(channel.sent).toEqual([frame]);
  });

  it('[S4] an open link that is replaced counts as closed, even when the new one opens at once', () => {
    const { made, seen } = links();
    const [old, fresh] = [new Channel(), new Channel()];
    made.add(PEER, 'a', old);
    made.opened(PEER, 'a', 'direct');
    made.add(PEER, 'b', fresh);
    made.opened(PEER, 'b', 'relay');
    expect(seen).toEqual(['open direct', 'closed', 'open relay']);
    old.deliver([frame]);
    old.end('closed');
    made.close(PEER, 'a');
    expect(seen).toHaveLength(3);
    fresh.deliver([frame]);
    made.close(PEER, 'b');
    expect(seen.slice(3)).toEqual(['frames', 'closed']);
    expect([old.closed, fresh.closed]).toEqual([1, 1]);
  });

  it('[M6] a direct path that never opened gives way to the relay without a word', () => {
    const { made, seen } = links();
    made.add(PEER, 'a', new Channel());
    made.add(PEER, 'a', new Channel());
    made.opened(PEER, 'a', 'relay');
    expect(seen).toEqual(['open relay']);
  });

  it('[M4] bytes that are no frame end the link and name the peer', () => {
    const { made, seen } = links();
    const channel = new Channel();
    made.add(PEER, 'a', channel);
    made.opened(PEER, 'a', 'direct');
    channel.end('not-finite');
    expect(seen).toEqual(['open direct', 'closed', 'rejected not-finite']);
  });
});

describe('figures of a host', () => {
  const token = { shard: 'a', segments: [{ rows: 1, tokens: 1 }] } as never;
  const chunk = { shard: 'a', segments: [{ rows: 8, tokens: 0 }] } as never;

  it('counts a token a decode row, none for a prefill chunk, and the rate by whole seconds', () => {
    const metrics = new StageMetrics();
    metrics.record(chunk, 9, instantMs(500));
    for (let ms = 1000; ms < 3000; ms += 100) metrics.record(token, 5, instantMs(ms));
    expect([metrics.steps, metrics.tokensServed]).toEqual([21, 20]);
    expect(metrics.tokensPerSecond(instantMs(3001))).toBe(10);
    expect(metrics.decodeStep()).toEqual({ ms: 5, rows: 1 });
    expect(metrics.computing(instantMs(3001))).toBe(true);
    expect(metrics.computing(instantMs(4000))).toBe(false);
    expect(metrics.tokensPerSecond(instantMs(4000))).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { instantMs } from '#lib/kernel/units.ts';
import { beat, heard, newHeartbeat, ponged } from '#lib/shard/mesh/heartbeat.ts';
import { decodeLinkMessage, encodeLinkMessage } from '#lib/shard/mesh/link-message.ts';
import fc from 'fast-check';

describe('[V1] a link’s heartbeat', () => {
  const run = (from: number, to: number, start = newHeartbeat(instantMs(from))) => {
    let step = { state: start, dead: false };
    for (let now = from; now <= to && !step.dead; now += 500) {
      step = beat(step.state, instantMs(now));
    }
    return step;
  };

  it('ends after 2 s of silence, and not before', () => {
    expect(run(0, 2_000).dead).toBe(false);
    expect(run(0, 2_500).dead).toBe(true);
    const spoke = heard(run(0, 1_500).state, instantMs(1_500));
    expect(run(2_000, 3_500, spoke).dead).toBe(false);
    expect(run(2_000, 4_000, spoke).dead).toBe(true);
  });

  it('gives the peer its full time again after we stood still ourselves', () => {
    const frozen = run(0, 1_500).state;
    const woken = beat(frozen, instantMs(60_000));
    expect(woken.dead).toBe(false);
    expect(beat(woken.state, instantMs(60_001)).dead).toBe(false);
    expect(run(60_500, 62_500, woken.state).dead).toBe(true);
  });

  it('measures round trips, and takes no time that it cannot have sent', () => {
    const start = newHeartbeat(instantMs(1_000));
    expect(start.rttMs).toBeNull();
    const measured = ponged(start, 1_001, instantMs(1_004));
    expect(measured.rttMs).toBe(3);
    expect(ponged(measured, 1_000, instantMs(1_011)).rttMs).toBe(4);
    expect(ponged(measured, 9_999, instantMs(1_005)).rttMs).toBe(3);
    expect(ponged(measured, -1e9, instantMs(1_005)).rttMs).toBe(3);
  });
});

describe('link messages', () => {
  it('come back as they were; strangers’ bytes never throw', () => {
    for (const message of [
      { type: 'data', bytes: Uint8Array.of(1, 2) },
      { type: 'credit', bytes: 65_536 },
      { type: 'end' },
      { type: 'ping', at: 12.5 },
      { type: 'pong', at: 0 },
    ] as const) {
      expect(decodeLinkMessage(encodeLinkMessage(message))).toEqual(message);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        const message = decodeLinkMessage(bytes);
        if (message) expect([...encodeLinkMessage(message)]).toEqual([...bytes]);
      }),
    );
  });
});

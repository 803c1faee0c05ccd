import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { NodeId } from '#lib/kernel/ids.ts';
import { encodeLinkMessage } from '#lib/shard/mesh/link-message.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import { SIGNALING } from '#server/signaling/limits.ts';
import { addressKey, isForeignPage, originOf } from '#server/signaling/origin.ts';
import { Relay } from '#server/signaling/relay.ts';

const request = (host: string | undefined, localAddress = '192.0.2.2', origin?: string) =>
  ({ headers: { host, origin }, socket: { localAddress } }) as unknown as IncomingMessage;

describe('[M2] the origin that a hello is signed for', () => {
  const rule = { secure: false, origins: ['https://declai.example'], hostnames: ['box.local'] };

  it.each([
    ['localhost:3000', 'http://localhost:3000'],
    ['127.0.0.1:3000', 'http://127.0.0.1:3000'],
    ['[::1]:3000', 'http://[::1]:3000'],
    ['192.0.2.2:3000', 'http://192.0.2.2:3000'],
    ['box.local:3000', 'http://box.local:3000'],
    ['declai.example', 'https://declai.example'],
  ])('%s is %s', (host, origin) => {
    expect(originOf(request(host), rule)).toBe(origin);
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    '192.0.2.3',
    '127.0.0.1.evil.example',
    'a b',
    undefined,
  ])('%s is not ours: another server may be passing our challenge on', (host) => {
    expect(originOf(request(host), rule)).toBeNull();
  });

  it('an address in IPv6 clothes is the same address', () => {
    expect(originOf(request('192.0.2.2:80', '::ffff:192.0.2.2'), rule)).toBe('http://192.0.2.2');
  });

  it('a page of another origin is turned away; a program has none', () => {
    const origin = 'http://localhost:3000';
    expect(
      isForeignPage(request('localhost:3000', '127.0.0.1', 'http://evil.example'), origin),
    ).toBe(true);
    expect(isForeignPage(request('localhost:3000', '127.0.0.1', origin), origin)).toBe(false);
    expect(isForeignPage(request('localhost:3000'), origin)).toBe(false);
  });
});

describe('[M5] one address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '::1'],
  ])('%s counts as %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});

describe('[M4] the relay', () => {
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)] as [NodeId, NodeId];
  const pair = { link: '1'.repeat(32), a, b };
  const data = (bytes: number) => encodeLinkMessage({ type: 'data', bytes: new Uint8Array(bytes) });
  const credit = (bytes: number) => encodeLinkMessage({ type: 'credit', bytes });

  it('carries heartbeats of a pair always, frames only by the rule, and counts frames alone', () => {
    const relay = new Relay();
    const ping = encodeLinkMessage({ type: 'ping', at: 1 });
    expect(relay.judge(pair, a, ping)).toMatchObject({ type: 'forward', to: b });
    expect(relay.judge(pair, a, data(500))).toEqual({ type: 'return-credit', bytes: credit(500) });
    relay.setRule((from, to) => from === a && to === b);
    expect(relay.judge(pair, a, data(500))).toMatchObject({ type: 'forward', to: b });
    expect(relay.judge(pair, b, data(500))).toMatchObject({ type: 'return-credit' });
    expect(relay.relayedBytes).toBe(500);
  });

  it('carries messages that measure a link, told apart, and only empty ones', () => {
    const relay = new Relay();
    const car = { type: 'car', car: { round: 1, at: 0, of: 8 }, bytes: 500 } as const;
    const bytes = encodeLinkMessage(car);
    expect(relay.judge(pair, a, bytes)).toEqual({ type: 'forward', to: b, isTrain: true });
    const told = encodeLinkMessage({ type: 'train', round: 1, bytesPerMs: 80 });
    expect(relay.judge(pair, b, told)).toEqual({ type: 'forward', to: a, isTrain: false });
    expect(relay.relayedBytes).toBe(0);
    bytes[400] = 1;
    expect(relay.judge(pair, a, bytes)).toEqual({ type: 'refuse' });
  });

  it('parts a pair whose sender ignores its window', () => {
    const relay = new Relay();
    relay.setRule(() => true);
    const full = SIGNALING.relayWindowBytesMax / (64 * 1024);
    for (let i = 0; i < full; i += 1) {
      expect(relay.judge(pair, a, data(64 * 1024)).type).toBe('forward');
    }
    expect(relay.judge(pair, b, credit(1)).type).toBe('forward');
    expect(relay.judge(pair, a, data(2))).toEqual({ type: 'part', peer: b });
  });

  it('refuses what is too large or no message', () => {
    const relay = new Relay();
    relay.setRule(() => true);
    expect(relay.judge(pair, a, data(WIRE.fragmentBytesMax)).type).toBe('forward');
    expect(relay.judge(pair, a, data(WIRE.fragmentBytesMax + 1)).type).toBe('refuse');
    for (const bytes of [[], [9], [0], [1, 2], [2, 2]]) {
      expect(relay.judge(pair, a, Uint8Array.from(bytes)).type).toBe('refuse');
    }
  });
});

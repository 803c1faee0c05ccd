import wrtc from '@roamhq/wrtc';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { makeHello, type Hello } from '#lib/shard/mesh/hello.ts';
import { bindingOf, signBinding } from '#lib/shard/mesh/link-binding.ts';
import { Stranger } from '#tests/support/bad-peer/stranger.ts';
import {
  assertInterface,
  startCluster,
  startNode,
  type Cluster,
  type TestNode,
} from '#tests/support/mesh-cluster.ts';
import { PROFILE } from '#tests/support/profile.ts';

/** Who a stranger claims to be, to the real hub and to a real node beside it. */
let cluster: Cluster;
let honest: TestNode;
const strangers: Stranger[] = [];
beforeAll(assertInterface);
beforeEach(async () => {
  cluster = await startCluster();
  honest = startNode(cluster.url);
  await vi.waitFor(() => expect(honest.saw('online')).toBeDefined(), { timeout: 10_000 });
});
afterEach(async () => {
  expect(honest.saw('offline')).toBeUndefined();
  honest.mesh.stop();
  for (const stranger of strangers.splice(0)) stranger.leave();
  await cluster.close();
});

function arrive(): Stranger {
  const stranger = new Stranger(cluster.url);
  strangers.push(stranger);
  return stranger;
}

const joins = () => cluster.events.filter(({ type }) => type === 'joined').length;
const last = (hex: string) => hex.slice(0, -1) + (hex.endsWith('0') ? '1' : '0');

describe('a hello', () => {
  const wrong: Record<string, (hello: Hello, who: Stranger) => unknown> = {
    'with a wrong signature': (hello) => ({ ...hello, signature: last(hello.signature) }),
    'of a node that its identity did not certify': (hello) => ({
      ...hello,
      certificate: last(hello.certificate),
    }),
    'under another node’s name': (hello) => ({ ...hello, node: honest.id }),
    'for another origin': (hello, { keys }) =>
      makeHello(
        keys,
        { origin: 'http://elsewhere.example', nonce: hello.nonce },
        { profile: PROFILE, resume: null },
      ),
    'whose profile was changed on its way': (hello) => ({
      ...hello,
      profile: { ...hello.profile, layerMs: [0, 0, 0] },
    }),
  };
  it.each(Object.entries(wrong))('[M2] %s: refused', async (_, change) => {
    const stranger = arrive();
    stranger.say(change(await stranger.hello(), stranger));
    expect(await stranger.hears('goodbye')).toMatchObject({ code: 'mesh/bad-signature' });
    expect(joins()).toBe(1);
  });

  const absurd: Record<string, object> = {
    'no threads': { threads: 0 },
    'a memory of 2^60': { memoryLentBytes: 2 ** 60 },
    'less than no time': { layerMs: [-1, 1, 1] },
    'two speeds': { headMs: [1, 1] },
    'a speed of infinity': { layerMs: [1e999, 1, 1] },
    'a thousand ranges': {
      cachedRanges: Array.from({ length: 1_000 }, () => ({ first: 0, last: 1 })),
    },
    'a range of fractions': { cachedRanges: [{ first: 0.5, last: 1 }] },
    'a device of 10 000 letters': { device: 'x'.repeat(10_000) },
    'another engine': { engine: 'abacus' },
    'a member more': { admin: true },
  };
  it.each(Object.entries(absurd))('[B3] with a profile of %s: refused', async (_, change) => {
    const stranger = arrive();
    const hello = await stranger.hello();
    stranger.say({ ...hello, profile: { ...hello.profile, ...change } });
    expect(await stranger.hears('goodbye')).toMatchObject({ code: 'wire/malformed' });
    expect(joins()).toBe(1);
  });
});

describe('[M3] an offer over the real hub', () => {
  const other = 'AB:'.repeat(31) + 'AB';
  const line = /^a=fingerprint:sha-256 (\S+)/m;
  const changes: Record<string, (sdp: string) => string> = {
    'with a swapped fingerprint': (sdp) => sdp.replace(line, `a=fingerprint:sha-256 ${other}`),
    'without a fingerprint': (sdp) => sdp.replace(/^a=fingerprint.*\r\n/m, ''),
    'with a second fingerprint': (sdp) => sdp.replace(line, `$&\r\na=fingerprint:sha-256 ${other}`),
  };

  async function offer(change: (sdp: string) => string): Promise<Stranger> {
    const stranger = arrive();
    stranger.say(await stranger.hello());
    await stranger.hears('welcome');
    const { node } = stranger.keys;
    cluster.hub.introduce(node.id, honest.id, { relayOnly: false });
    const { link } = await stranger.hears('introduce');
    const sdp = await realOffer();
    const ends = { link, from: node.id, to: honest.id };
    const signature = signBinding(node, ends, must(bindingOf(sdp), 'a real offer is bound'));
    const payload = JSON.stringify({ type: 'offer', sdp: change(sdp) });
    expect(payload).toContain('a=setup');
    stranger.say({ type: 'signal', to: honest.id, link, payload, signature });
    return stranger;
  }

  it.each(Object.entries(changes))('%s opens nothing; WebRTC never sees it', async (_, change) => {
    const stranger = await offer(change);
    const why = () => honest.saw('link-closed', stranger.keys.node.id)?.why;
    await expect.poll(why).toBe('mesh/bad-signature');
    await stranger.hears('part');
    expect(stranger.heard.filter(({ type }) => type === 'signal')).toEqual([]);
  });

  it('as it was signed is answered', async () => {
    const stranger = await offer((sdp) => sdp);
    expect((await stranger.hears('signal')).payload).toContain('"type":"answer"');
  });

  async function realOffer(): Promise<string> {
    const connection = new wrtc.RTCPeerConnection();
    connection.createDataChannel('control');
    const { sdp } = await connection.createOffer();
    connection.close();
    return must(sdp, 'an offer has a text');
  }
});

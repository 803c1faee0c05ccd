import { describe, expect, it } from 'vitest';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { makeHello } from '#lib/shard/mesh/hello.ts';
import { keyPairFromSeed, newNodeKeys, type NodeKeys } from '#lib/shard/mesh/identity.ts';
import { PROFILE } from '#tests/support/profile.ts';
import { SIGNALING } from '#server/signaling/limits.ts';
import { introduce, linkClosed, part } from '#server/signaling/pairs.ts';
import {
  emptyRegistry,
  peerOn,
  type Registry,
  type RegistryOutput,
  type RegistryStep,
} from '#server/signaling/registry.ts';
import { closeSocket, fence, openSocket, takeHello, tick } from '#server/signaling/steps.ts';

const ORIGIN = 'http://localhost:3000';
const seed = (fill: number) => new Uint8Array(32).fill(fill);
const keysOf = (node: number, owner = 200): NodeKeys =>
  newNodeKeys(keyPairFromSeed<IdentityId>(seed(owner)), seed(node));
const nonceOf = (socket: string) => socket.charCodeAt(0).toString(16).repeat(32);

/** Runs steps one after the other and keeps what they say. */
class Stage {
  registry: Registry = emptyRegistry(100);
  said: RegistryOutput[] = [];
  now = instantMs(0);

  run(step: (registry: Registry) => RegistryStep): RegistryOutput[] {
    const [registry, outputs] = step(this.registry);
    this.registry = registry;
    this.said = [...outputs];
    return this.said;
  }

  open(socket: string, address = '10.0.0.1') {
    const opened = { socket, address, origin: ORIGIN, nonce: nonceOf(socket) };
    return this.run((registry) => openSocket(registry, opened, this.now));
  }

  hello(
    socket: string,
    keys: NodeKeys,
    { resume = null, nonce = nonceOf(socket) }: { resume?: number | null; nonce?: string } = {},
  ) {
    const hello = makeHello(keys, { origin: ORIGIN, nonce }, { profile: PROFILE, resume });
    return this.run((registry) => takeHello(registry, { socket, hello }, this.now));
  }

  join(socket: string, keys: NodeKeys) {
    this.open(socket);
    return this.hello(socket, keys);
  }

  introduce(a: NodeId, b: NodeId, link: string) {
    return this.run((registry) => introduce(registry, { a, b, link, relayOnly: false }, this.now));
  }
}

const brief = (outputs: readonly RegistryOutput[]): string[] =>
  outputs.map((output) => {
    if (output.type === 'event') return `event ${output.event.type}`;
    if (output.type === 'close') return `close ${output.socket}`;
    const { message } = output;
    const detail = message.type === 'goodbye' ? ` ${message.code}` : '';
    return `${output.socket}: ${message.type}${detail}`;
  });

const [ann, bob, cid] = [keysOf(1), keysOf(2), keysOf(3)] as [NodeKeys, NodeKeys, NodeKeys];

describe('[M2] hello', () => {
  it('is welcomed with a new incarnation', () => {
    const stage = new Stage();
    expect(brief(stage.join('a', ann))).toEqual(['a: welcome', 'event joined']);
    expect(stage.said[0]).toMatchObject({ message: { incarnation: 101, resumed: false } });
    stage.join('b', bob);
    expect(stage.said[0]).toMatchObject({ message: { incarnation: 102 } });
  });

  it('replayed on another connection, repeated on its own, or late: refused', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.open('b');
    expect(brief(stage.hello('b', bob, { nonce: nonceOf('a') }))).toEqual([
      'b: goodbye mesh/bad-signature',
      'close b',
    ]);
    expect(brief(stage.hello('b', bob))).toEqual(['b: goodbye mesh/refused', 'close b']);
    expect(brief(stage.hello('a', ann))).toEqual(['a: goodbye mesh/refused', 'close a']);
    stage.open('c');
    stage.now = instantMs(10_001);
    expect(brief(stage.hello('c', cid))).toEqual(['c: goodbye mesh/refused', 'close c']);
  });

  it('of another protocol version: told to reload', () => {
    const stage = new Stage();
    stage.open('a');
    const hello = {
      ...makeHello(
        ann,
        { origin: ORIGIN, nonce: nonceOf('a') },
        { profile: PROFILE, resume: null },
      ),
      protocol: 99,
    };
    const outputs = stage.run((registry) => takeHello(registry, { socket: 'a', hello }, stage.now));
    expect(brief(outputs)).toEqual(['a: goodbye wire/version', 'close a']);
  });
});

describe('[V3] incarnations', () => {
  it('come back within their grace, links and all', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.join('b', bob);
    stage.introduce(ann.node.id, bob.node.id, 'l'.repeat(32));
    expect(brief(stage.run((r) => closeSocket(r, 'a', stage.now)))).toEqual(['event disconnected']);
    stage.open('c');
    expect(brief(stage.hello('c', ann, { resume: 101 }))).toEqual(['c: welcome', 'event back']);
    expect(stage.said[0]).toMatchObject({ message: { incarnation: 101, resumed: true } });
    expect(peerOn(stage.registry, 'l'.repeat(32), ann.node.id)).toBe(bob.node.id);
  });

  it('take over a half-dead socket, whose end then means nothing', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.open('b');
    expect(brief(stage.hello('b', ann, { resume: 101 }))).toEqual([
      'close a',
      'b: welcome',
      'event back',
    ]);
    expect([...stage.registry.sockets.keys()]).toEqual(['b']);
    expect(stage.run((r) => closeSocket(r, 'a', stage.now))).toEqual([]);
  });

  it('end by a new hello, as by a declaration', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.join('b', bob);
    stage.introduce(ann.node.id, bob.node.id, 'l'.repeat(32));
    stage.open('c');
    expect(brief(stage.hello('c', ann))).toEqual([
      'b: part',
      'a: goodbye mesh/closed',
      'close a',
      'c: welcome',
      'event joined',
    ]);
    expect(stage.registry.pairs.size).toBe(0);
    expect(stage.registry.sockets.size).toBe(2);
  });

  it('end by a fence: links part, the socket hears why, resuming is a new life', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.join('b', bob);
    stage.introduce(ann.node.id, bob.node.id, 'l'.repeat(32));
    const reason = { code: 'mesh/closed', message: 'silent' } as const;
    const fenced = (incarnation: number) =>
      stage.run((r) => fence(r, ann.node.id, { incarnation, reason }));
    expect(fenced(100)).toEqual([]);
    expect(brief(fenced(101))).toEqual(['b: part', 'a: goodbye mesh/closed', 'close a']);
    stage.open('c');
    stage.hello('c', ann, { resume: 101 });
    expect(stage.said[0]).toMatchObject({ message: { incarnation: 103, resumed: false } });
  });

  it('of nodes that nobody fences end by themselves after 10 s', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.run((r) => closeSocket(r, 'a', stage.now));
    stage.now = instantMs(SIGNALING.resumeMs - 1);
    stage.run((r) => tick(r, stage.now));
    expect(stage.registry.nodes.size).toBe(1);
    stage.now = instantMs(SIGNALING.resumeMs);
    stage.run((r) => tick(r, stage.now));
    expect(stage.registry.nodes.size).toBe(0);
  });
});

describe('[M3] introductions', () => {
  it('give both the same link, one of them the offer, and replace the link before', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.join('b', bob);
    const outputs = stage.introduce(ann.node.id, bob.node.id, '1'.repeat(32));
    expect(outputs.map((o) => o.type === 'send' && o.message)).toMatchObject([
      { type: 'introduce', peer: bob.node.id, link: '1'.repeat(32), initiator: true },
      { type: 'introduce', peer: ann.node.id, link: '1'.repeat(32), initiator: false },
    ]);
    stage.introduce(bob.node.id, ann.node.id, '2'.repeat(32));
    expect([...stage.registry.pairs.keys()]).toEqual(['2'.repeat(32)]);
    expect(peerOn(stage.registry, '1'.repeat(32), ann.node.id)).toBeNull();
    expect(peerOn(stage.registry, '2'.repeat(32), cid.node.id)).toBeNull();
  });

  it('need both nodes here, and two of them', () => {
    const stage = new Stage();
    stage.join('a', ann);
    expect(stage.introduce(ann.node.id, bob.node.id, '1'.repeat(32))).toEqual([]);
    expect(stage.introduce(ann.node.id, ann.node.id, '1'.repeat(32))).toEqual([]);
    stage.join('b', bob);
    stage.run((r) => closeSocket(r, 'b', stage.now));
    expect(stage.introduce(ann.node.id, bob.node.id, '1'.repeat(32))).toEqual([]);
  });

  it('end by a part, and by the word of one end, each told to whom it concerns', () => {
    const stage = new Stage();
    stage.join('a', ann);
    stage.join('b', bob);
    stage.introduce(ann.node.id, bob.node.id, '1'.repeat(32));
    expect(brief(stage.run((r) => part(r, ann.node.id, bob.node.id)))).toEqual([
      'a: part',
      'b: part',
    ]);
    stage.introduce(ann.node.id, bob.node.id, '2'.repeat(32));
    const closed = (link: string) =>
      stage.run((r) => linkClosed(r, ann.node.id, { peer: bob.node.id, link }));
    expect(closed('1'.repeat(32))).toEqual([]);
    expect(brief(closed('2'.repeat(32)))).toEqual(['b: part']);
    expect(stage.registry.pairs.size).toBe(0);
  });
});

describe('[M5] limits', () => {
  it('a socket that says no hello in 5 s is closed', () => {
    const stage = new Stage();
    stage.open('a');
    stage.now = instantMs(4_999);
    expect(stage.run((r) => tick(r, stage.now))).toEqual([]);
    stage.now = instantMs(5_000);
    expect(brief(stage.run((r) => tick(r, stage.now)))).toEqual([
      'a: goodbye kernel/timeout',
      'close a',
    ]);
  });

  it('nodes of one identity, sockets of one address, introductions a minute', () => {
    const stage = new Stage();
    for (let i = 0; i < SIGNALING.nodesPerIdentityMax; i += 1) {
      stage.join(String.fromCharCode(65 + i), keysOf(10 + i));
    }
    stage.open('a');
    expect(brief(stage.hello('a', ann))).toEqual(['a: goodbye mesh/limit', 'close a']);
    const crowd = new Stage();
    for (let i = 0; i < SIGNALING.socketsPerAddressMax; i += 1) crowd.open(`s${i}`);
    expect(brief(crowd.open('z'))).toEqual(['z: goodbye mesh/limit', 'close z']);
    expect(brief(crowd.open('z', '10.0.0.2'))).toEqual([]);
    const busy = new Stage();
    busy.join('a', ann);
    busy.join('b', bob);
    for (let i = 0; i < SIGNALING.introductionsPerMinuteMax; i += 1) {
      expect(busy.introduce(ann.node.id, bob.node.id, `${i}`)).toHaveLength(2);
    }
    expect(busy.introduce(ann.node.id, bob.node.id, 'x')).toEqual([]);
    busy.now = instantMs(60_000);
    expect(busy.introduce(ann.node.id, bob.node.id, 'y')).toHaveLength(2);
  });
});

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import type { Frame, RowsFrame } from '#lib/shard/wire/frame.ts';
import { decodeFrame, encodeFrame, FRAME_HEADER_BYTES } from '#lib/shard/wire/frame-codec.ts';
import { SmallServer, untilPhase } from '#tests/integration/node/small-server.ts';
import { BadPeer } from '#tests/support/bad-peer/bad-peer.ts';
import { mutate } from '#tests/support/bad-peer/mutate.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { assertInterface } from '#tests/support/mesh-cluster.ts';

/** A peer with a valid key, outside the route, against two real volunteers that answer. */
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);
const FRAMES = 10_000;
/** Harmless ones before one for which the victim closes the link. */
const BATCH = 250;
const ROW = goldenRow('story');

let server: SmallServer;
let peer: BadPeer;
let route: readonly NodeId[];
beforeAll(async () => {
  assertInterface();
  server = await SmallServer.start(2);
  const volunteers = [server.volunteer('a'), server.volunteer('b')];
  for (const volunteer of volunteers) await untilPhase(volunteer, ['ready', 'spare']);
  await server.whole(2);
  route = server.orchestrator.view().routes[0]?.places.map((place) => place.node) ?? [];
  peer = await BadPeer.join(server.url, (a, b, options) => server.hub.introduce(a, b, options));
}, 90_000);
afterAll(async () => {
  peer.leave();
  await server.end();
});

interface Running {
  readonly session: SessionId;
  readonly ids: Promise<number[]>;
  readonly over: () => boolean;
}

/** An answer that has come as far as its first token. */
async function answering(): Promise<Running> {
  const since = server.heard.length;
  let over = false;
  const ids = server.ask(ROW.promptIds, ROW.greedyIds.length).finally(() => (over = true));
  const session = await vi.waitFor(
    () => {
      for (const event of server.heard.slice(since)) {
        if (event.type !== 'message' || event.message.type !== 'session') continue;
        if (event.message.message.type === 'token') return event.message.message.session;
      }
      throw new Error('no token yet');
    },
    { timeout: 10_000, interval: 5 },
  );
  return { session, ids, over: () => over };
}

/**
 * Waits until the wrong frame has closed the link. Where the answer ended on its way it was only
 * late: then what is no frame closes.
 * @returns whether it was late.
 */
async function closedOrLate(victim: NodeId, answer: Running): Promise<boolean> {
  await vi.waitFor(() => expect(peer.linked && !answer.over()).toBe(false), {
    timeout: 3_000,
    interval: 2,
  });
  const isLate = peer.linked;
  if (isLate) await peer.sayFrame(victim, NO_FRAME);
  await peer.closed();
  return isLate;
}

const NO_FRAME = Uint8Array.of(1, 2, 3);
const rowsTo = (session: SessionId, change: Partial<RowsFrame> = {}): RowsFrame => ({
  ...{ type: 'rows', session, epoch: 1, place: 1, seq: 3, firstPosition: 20, rows: 1, width: 576 },
  ...{ dtype: 'f32', data: new Float32Array(576).fill(0.5) },
  ...change,
});
const framesOf = (session: SessionId): Frame[] => [
  rowsTo(session),
  rowsTo(session, { rows: 2, data: new Float32Array(1152).fill(-1) }),
  { type: 'token', session, epoch: 1, place: 0, seq: 2, position: 30, id: 7 },
  { type: 'chunk-ack', session, epoch: 1, place: 0, taken: 1 },
];
const unknown = 'ab'.repeat(16) as SessionId;
const changed = (frame: Frame, at: number, value: number): Uint8Array => {
  const bytes = encodeFrame(frame);
  new DataView(bytes.buffer).setUint32(at, value, true);
  return bytes;
};

describe('frames of a peer that is not in the route', () => {
  it('[B3] each wrong one closes its link, and the answer that runs stays right', async () => {
    let answer = await answering();
    const wrong: Record<string, (session: SessionId) => Uint8Array> = {
      'from no place of the route': (session) => encodeFrame(rowsTo(session)),
      'a token from no last place': (session) => encodeFrame(framesOf(session)[2] as Frame),
      truncated: (session) => encodeFrame(rowsTo(session)).subarray(0, FRAME_HEADER_BYTES + 100),
      'shorter than a header': (session) => encodeFrame(rowsTo(session)).subarray(0, 20),
      'rows that lie about their length': (session) => changed(rowsTo(session), 36, 2),
      'a payload length that lies': (session) => changed(rowsTo(session), 44, 2 ** 32 - 1),
      'a width of 2³¹': (session) => changed(rowsTo(session), 40, 2 ** 31),
      NaN: (session) => encodeFrame(rowsTo(session, { data: new Float32Array(576).fill(NaN) })),
      infinity: (session) =>
        encodeFrame(rowsTo(session, { data: new Float32Array(576).fill(-Infinity) })),
      'another version': (session) => changed(rowsTo(session), 0, 9),
    };
    for (const [name, bytes] of Object.entries(wrong)) {
      for (const victim of route.slice(1)) {
        if (answer.over()) answer = await answering();
        await peer.link(victim);
        await peer.sayFrame(victim, bytes(answer.session));
        await peer.closed().catch(() => expect.unreachable(`${name}: the link is open`));
      }
    }
    expect(await answer.ids).toEqual(ROW.greedyIds);
  });

  it('[B3] what is no fragment, and one that says it is oversized, close the link', async () => {
    for (const bytes of [
      Uint8Array.of(1),
      Uint8Array.of(1, 0, 0, 0, 255, 255, 255, 255, 0),
      new Uint8Array(65_537),
    ]) {
      await peer.link(route[0] as NodeId);
      await peer.say(route[0] as NodeId, bytes);
      await peer.closed();
    }
  });

  it(`[B3] ${FRAMES} mutated frames while answers run: ids right, no node lost, FUZZ_SEED=${SEED}`, async () => {
    const random = seededRandom(SEED);
    let answer = await answering();
    let said = 0;
    let late = 0;
    const closes = (bytes: Uint8Array): boolean => {
      const decoded = decodeFrame(bytes);
      return !decoded.ok || (decoded.frame.session === answer.session && decoded.frame.epoch === 1);
    };
    while (said < FRAMES) {
      const victim = random.pick(route);
      const frames = [...framesOf(answer.session), ...framesOf(unknown)].map((f) => encodeFrame(f));
      const next = (closing: boolean): Uint8Array => {
        for (;;) {
          const bytes = mutate(random.pick(frames), random);
          if (bytes.length > 0 && closes(bytes) === closing) return bytes;
        }
      };
      await peer.link(victim);
      for (let i = 0; i < BATCH; i += 1) await peer.sayFrame(victim, next(false));
      expect(peer.linked).toBe(true);
      await peer.sayFrame(victim, next(true));
      if (await closedOrLate(victim, answer)) late += 1;
      said += BATCH + 1;
      if (!answer.over()) continue;
      expect(await answer.ids).toEqual(ROW.greedyIds);
      answer = await answering();
    }
    expect(await answer.ids).toEqual(ROW.greedyIds);
    expect(late).toBeLessThan(FRAMES / BATCH / 2);
    expect(server.failovers).not.toContainEqual(expect.objectContaining({ event: 'node-lost' }));
  }, 60_000);
});

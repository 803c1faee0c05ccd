import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import type { FaultCode } from '#lib/kernel/errors.ts';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import type { Frame, RowsFrame } from '#lib/shard/wire/frame.ts';
import { decodeFrame, encodeFrame, FRAME_HEADER_BYTES } from '#lib/shard/wire/frame-codec.ts';
import { SmallServer, untilPhase, type TestVolunteer } from '#tests/support/small-server.ts';
import { BadPeer } from '#tests/support/bad-peer/bad-peer.ts';
import { wrongWork } from '#tests/support/bad-peer/wrong-work.ts';
import type { Tamper } from '#tests/support/bad-peer/tapped-worker.ts';
import { goldenRow, type GoldenRow } from '#tests/support/golden.ts';
import { assertInterface } from '#tests/support/mesh-cluster.ts';

/** Real volunteers that answer, a peer with a valid key outside their route, and one inside it. */
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 32);
const FRAMES = 10_000;
/** After each frame of its stage: what is dropped, and at last what is held against somebody. */
const BATCH = 1_000;
const ROW = goldenRow('story');

let server: SmallServer;
let peer: BadPeer;
let route: readonly NodeId[];
/** What becomes of each frame that a volunteer's stage sends. */
const asItIs: Tamper = (frame) => [frame];
const tampers = new Map<NodeId, Tamper>();

/** A volunteer with honest work in its links, until `tampers` says otherwise. */
async function volunteer(name: string): Promise<NodeId> {
  const id = (): NodeId => must(made.snapshot().nodeId, 'a node that is online has a name');
  const made: TestVolunteer = server.volunteer(name, {}, (frame, to) =>
    (tampers.get(id()) ?? asItIs)(frame, to),
  );
  await untilPhase(made, ['ready', 'spare']);
  return id();
}
beforeAll(async () => {
  assertInterface();
  server = await SmallServer.start(2);
  await Promise.all(['a', 'b'].map(volunteer));
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
    { timeout: 20_000, interval: 5 },
  );
  return { session, ids, over: () => over };
}

const rowsTo = (session: SessionId, change: Partial<RowsFrame> = {}): RowsFrame => ({
  ...{ type: 'rows', session, epoch: 1, place: 1, seq: 3, firstPosition: 20, rows: 1, width: 576 },
  ...{ dtype: 'f32', data: new Float32Array(576).fill(0.5) },
  ...change,
});
const framesOf = (session: SessionId): Frame[] => [
  rowsTo(session),
  rowsTo(session, { rows: 2, data: new Float32Array(1152).fill(-1) }),
  { type: 'token', session, epoch: 1, place: 0, seq: 2, position: 30, id: 7, drafts: [8] },
  { type: 'chunk-ack', session, epoch: 1, place: 0, taken: 1 },
];
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
});

/** An answer that has got a route: its ids or the code with which it ended, and its last place. */
function told({ promptIds }: GoldenRow, maxTokens: number): Promise<Told> {
  const ids: number[] = [];
  const { manifest, orchestrator } = server;
  return new Promise((begun) => {
    let end: (end: number[] | FaultCode) => void = () => undefined;
    const ended = new Promise<number[] | FaultCode>((resolve) => (end = resolve));
    const { session } = orchestrator.start(
      {
        ...{ model: manifest.id, promptIds, acceptedIds: [], maxTokens },
        ...{ sampling: GREEDY, grammar: null },
        eosIds: manifest.tokenizer.eosIds,
      },
      (event) => {
        if (event.type === 'route') {
          const last = must(event.route.places.at(-1), 'a route has places').node;
          // Not before `session` is known.
          queueMicrotask(() => begun({ session, last, ended }));
        }
        if (event.type === 'token') ids.push(event.id);
        if (event.type === 'token' && event.finish) end(ids);
        if (event.type === 'lost') end(event.fault.code);
      },
    );
  });
}

interface Told {
  readonly session: SessionId;
  readonly last: NodeId;
  readonly ended: Promise<number[] | FaultCode>;
}

describe('a peer in the route', () => {
  const LONG = goldenRow('long300');
  const SKY = goldenRow('sky');
  afterEach(() => tampers.clear());

  it('[S2] whose frames come out of order costs an epoch and no token', async () => {
    const swapped: SessionId[] = [];
    for (const node of server.orchestrator.view().nodes) {
      let first: Uint8Array | null = null;
      tampers.set(node.id, (bytes) => {
        const decoded = decodeFrame(Uint8Array.from(bytes));
        const isChunk = decoded.ok && decoded.frame.type === 'rows' && decoded.frame.rows > 1;
        if (!isChunk || swapped.length > 0) return [bytes];
        if (!first) {
          first = Uint8Array.from(bytes);
          return [];
        }
        swapped.push(decoded.frame.session);
        return [bytes, first];
      });
    }
    const since = server.heard.length;
    expect(await (await told(LONG, 8)).ended).toEqual(LONG.greedyIds.slice(0, 8));
    const faults = server.heard.slice(since).flatMap((event) => {
      if (event.type !== 'message' || event.message.type !== 'session') return [];
      const { message } = event.message;
      return message.type === 'fault' ? [[message.session, message.why]] : [];
    });
    expect(faults).toContainEqual([swapped[0], 'seq-gap']);
  }, 60_000);

  it(`[B3] ${FRAMES} wrong frames between its right ones: its answer is right or ends with a code, the one beside it is right, FUZZ_SEED=${SEED}`, async () => {
    const random = seededRandom(SEED);
    let said = 0;
    for (let beside = await told(SKY, SKY.greedyIds.length); said < FRAMES;) {
      const { session, last: bad, ended } = await told(SKY, SKY.greedyIds.length);
      let frames = 0;
      tampers.set(bad, (bytes) => {
        const decoded = decodeFrame(Uint8Array.from(bytes));
        if (!decoded.ok || decoded.frame.session !== session || said >= FRAMES) return [bytes];
        // Between two broken links both answers come on.
        if ((frames += 1) % 3 > 0) return [bytes];
        const { frame } = decoded;
        const wrong = Array.from({ length: BATCH }, (_, at) =>
          wrongWork(frame, { random, isHarmless: at < BATCH - 1 }),
        );
        said += wrong.length;
        return [bytes, ...wrong];
      });
      const end = await ended;
      if (end !== 'session/lost') expect(end).toEqual(SKY.greedyIds);
      expect(await beside.ended).toEqual(SKY.greedyIds);
      if (said < FRAMES) beside = await told(SKY, SKY.greedyIds.length);
    }
    expect(server.failovers).not.toContainEqual(expect.objectContaining({ event: 'node-lost' }));
  }, 120_000);

  it('[K3] a node whose server shows it another manifest than it named takes no part', async () => {
    const { id } = server.manifest;
    const stop = server.lieAbout(
      `/models/${id}/manifest.json`,
      JSON.stringify({ ...server.manifest, name: 'Another name' }),
    );
    const beside = await told(SKY, 16);
    const late = server.volunteer('late');
    await vi.waitFor(() => expect(late.snapshot().fault?.code).toBe('package/hash-mismatch'), {
      timeout: 10_000,
      interval: 20,
    });
    stop();
    expect(await beside.ended).toEqual(SKY.greedyIds.slice(0, 16));
  }, 60_000);
});

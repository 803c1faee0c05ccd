import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { PACE } from '#lib/shard/placement/limits.ts';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import { createKnownAnswerChecker } from '#server/orchestrator/known-answer-checker.ts';
import { ask } from '#tests/support/answer.ts';
import { BadNode, filled, type Lies } from '#tests/support/bad-peer/bad-node.ts';
import { ChildServer } from '#tests/support/child-server.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { wrongAnswer } from '#tests/support/orchestrator-driver.ts';

/** Liars at a real server, whose built-in volunteer is honest. */
const SHORT = goldenRow('one');
const LONG = goldenRow('sky');

const checker = createKnownAnswerChecker(
  fileURLToPath(new URL('../../../public/models/smollm2-135m-instruct', import.meta.url)),
);
let server: ChildServer;
let honest: string;
beforeAll(async () => {
  server = await ChildServer.start();
  honest = await server.readyNode();
}, 60_000);
afterAll(async () => {
  checker.close();
  await server.end();
});

const liars: BadNode[] = [];
afterEach(async () => {
  for (const liar of liars.splice(0)) liar.leave();
  expect(server.alive).toBe(true);
  // The honest node is there, and alone.
  await vi.waitFor(
    async () => {
      const { nodes, sessions } = await server.status();
      expect(nodes.filter(({ state }) => state !== 'lost').map(({ id }) => id)).toEqual([honest]);
      expect(sessions).toBe(0);
    },
    { timeout: 10_000 },
  );
});

async function liar(lies: Omit<Lies, 'checker'>): Promise<BadNode> {
  const node = new BadNode(server.url, { checker, ...lies });
  liars.push(node);
  await node.trusted();
  return node;
}

const golden = async (row = SHORT) => {
  const seen = await ask(server.url, { promptIds: row.promptIds, maxTokens: row.greedyIds.length });
  expect(seen.error).toBeNull();
  expect(seen.ids).toEqual(row.greedyIds);
  return seen;
};

/** An answer on the honest node, begun before the liar came and running while it lies. */
async function bystander(): Promise<Promise<unknown>> {
  let begun: () => void = () => undefined;
  const first = new Promise<void>((resolve) => (begun = resolve));
  const { promptIds, greedyIds } = LONG;
  const answer = ask(server.url, {
    promptIds,
    maxTokens: greedyIds.length,
    onToken: () => begun(),
  });
  await first;
  return answer.then((seen) => {
    expect(seen.ids).toEqual(greedyIds);
    expect(seen.routes.every(({ places }) => places[0]?.node === honest)).toBe(true);
  });
}

describe('a node that lies', () => {
  it('[B3] never answers: declared, and the answer goes on elsewhere', async () => {
    const running = await bystander();
    const node = await liar({});
    const seen = await golden();
    expect(seen.routes.map(({ places }) => places[0]?.node)).toEqual([node.id, honest]);
    expect(await node.hears('goodbye')).toMatchObject({ code: 'mesh/closed' });
    await running;
  });

  it('[B3] answers `prepare` and nothing else: declared at its second deadline', async () => {
    const running = await bystander();
    const node = await liar({
      onSession: (message, me) => {
        if (message.type !== 'prepare') return;
        me.sayOf({ type: 'prepared', session: message.session, epoch: message.epoch });
      },
    });
    const seen = await golden();
    expect(seen.routes.at(-1)?.places[0]?.node).toBe(honest);
    expect(await node.hears('goodbye')).toMatchObject({ code: 'kernel/timeout' });
    await running;
  }, 60_000);

  it('[B3] answers garbage', async () => {
    const running = await bystander();
    const ways: [string, (prepare: Prepare, me: BadNode) => void][] = [
      ['wire/malformed', (_, me) => me.shout('{"type":"session","message":{"type":"token"')],
      ['wire/too-large', (_, me) => me.shout(`"${'x'.repeat(100_000)}"`)],
      [
        'engine/wrong-answer',
        ({ session, epoch }, me) =>
          me.sayOf({ type: 'token', session, epoch, place: 0, index: 0, id: 1 << 20, last: false }),
      ],
    ];
    for (const [code, garbage] of ways) {
      const node = await liar({
        onSession: (message, me) => {
          if (message.type === 'prepare') garbage(message, me);
        },
      });
      await golden();
      expect(await node.hears('goodbye')).toMatchObject({ code });
    }
    await running;
  }, 60_000);

  it('[S8] [B3] says an id that the answer may not have: declared, and the JSON is whole', async () => {
    const running = await bystander();
    const node = await liar({
      onSession: (message, me) => {
        const { session } = message;
        if (message.type === 'prepare') {
          me.sayOf({ type: 'prepared', session, epoch: message.epoch });
          me.sayOf(filled(message));
        } else if (message.type === 'handover') {
          // A word, where an object has to begin.
          const [id = 0] = SHORT.greedyIds;
          const at = { session, epoch: message.epoch, place: 0, index: 0 } as const;
          me.sayOf({ type: 'token', ...at, id, last: false });
        }
      },
    });
    const schema = {
      type: 'object',
      properties: { even: { type: 'boolean' } },
      required: ['even'],
    };
    const response_format = { type: 'json_schema', json_schema: { name: 'a', schema } };
    const { promptIds } = SHORT;
    const seen = await ask(server.url, { promptIds, maxTokens: 24, extra: { response_format } });
    expect([seen.error, seen.finish]).toEqual([null, 'stop']);
    expect(JSON.parse(seen.text)).toEqual({ even: expect.any(Boolean) as boolean });
    expect(seen.routes.map(({ places }) => places[0]?.node)).toEqual([node.id, honest]);
    expect(await node.hears('goodbye')).toMatchObject({ code: 'engine/wrong-answer' });
    await running;
  }, 60_000);

  it('[M7] gives a wrong known answer: gets no work', async () => {
    const node = new BadNode(server.url, { checker, answer: wrongAnswer });
    liars.push(node);
    expect(await node.hears('goodbye')).toMatchObject({ code: 'engine/wrong-answer' });
    const seen = await golden();
    expect(seen.routes.flatMap(({ places }) => places.map((place) => place.node))).toEqual([
      honest,
    ]);
  });

  it('[B3] answers everything at half the deadline: its answer ends, the next one goes elsewhere', async () => {
    const running = await bystander();
    // Half of 2 s at first; later ones are still hundreds of times what it claims to need.
    const lateMs = (index: number) => (index < 2 ? 1_000 : 100);
    const node = await liar({
      onSession: (message, me) => {
        const { session } = message;
        if (message.type === 'prepare') {
          const { epoch } = message;
          setTimeout(() => {
            me.sayOf({ type: 'prepared', session, epoch });
            me.sayOf(filled(message));
          }, lateMs(0));
        } else if (message.type === 'handover' || message.type === 'ack') {
          const { epoch } = message;
          const index = message.type === 'ack' ? message.accepted : 0;
          const word = { type: 'token', session, epoch, place: 0, index, id: 5 } as const;
          setTimeout(() => me.sayOf({ ...word, last: false }), lateMs(index));
        }
      },
    });
    const maxTokens = PACE.roundsMin + 1;
    const seen = await ask(server.url, { promptIds: SHORT.promptIds, maxTokens });
    expect([seen.finish, seen.error?.code]).toEqual(['length', undefined]);
    expect(seen.ids).toHaveLength(maxTokens);
    const next = await golden();
    expect([seen, next].map(({ routes }) => routes.map(({ places }) => places[0]?.node))).toEqual([
      [node.id],
      [honest],
    ]);
    await running;
  }, 60_000);
});

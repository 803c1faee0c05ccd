import { afterEach, describe, expect, it } from 'vitest';
import type { IdentityId, NodeId } from '#lib/kernel/ids.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { AnswerEvent } from '#server/orchestrator/answers.ts';
import { createOrchestrator, type Orchestrator } from '#server/orchestrator/orchestrator.ts';
import type { HubEvent, NodeHub } from '#server/signaling/hub.ts';
import { answerOf, profileOf, wrongAnswer } from '#tests/support/orchestrator-driver.ts';
import { modelOf, nodeId, shapeOf } from '#tests/support/placement.ts';

const part = (key: string, bytes: number) => ({ key, bytes, tensors: [], chunks: [] });
const manifest = {
  id: 'tiny',
  quantisation: 'Q4_1',
  shape: shapeOf(4),
  parts: [
    part('embedding', modelOf(4).embeddingBytes),
    ...[0, 1, 2, 3].map((layer) => part(`layer/${layer}`, 2 ** 21)),
    part('final-norm', 2304),
  ],
} as unknown as Manifest;

/** The hub's door without sockets: keeps what is sent, says what the test says. */
class FakeHub implements NodeHub {
  listener: (event: HubEvent) => void = () => undefined;
  rule: (from: NodeId, to: NodeId) => boolean = () => false;
  readonly sent: ServerMessage[] = [];
  readonly fenced: number[] = [];
  onEvent = (listener: (event: HubEvent) => void): void => void (this.listener = listener);
  send = (_node: NodeId, _incarnation: number, message: ServerMessage): boolean => {
    this.sent.push(message);
    return true;
  };
  introduce = (): void => undefined;
  part = (): void => undefined;
  /** As the real one: the socket closes inside the call. */
  fence = (node: NodeId, incarnation: number): void => {
    this.fenced.push(incarnation);
    this.listener({ type: 'disconnected', node, incarnation });
  };
  setRelayRule = (rule: typeof this.rule): void => void (this.rule = rule);
  relayedBytes = (): number => 42;

  join(): void {
    this.listener({
      type: 'joined',
      node: nodeId(0),
      identity: nodeId(1) as string as IdentityId,
      incarnation: 1,
      profile: profileOf({ measuredFor: manifestHash(manifest) }),
      address: '192.0.2.1',
    });
  }

  /** The node loads, and answers what it is asked; wrongly if told so. */
  async become(answer: 'ready' | 'wrong'): Promise<void> {
    const model = { id: 'tiny', hash: manifestHash(manifest) };
    const range = { first: 0, last: 3 };
    const say = (message: Extract<HubEvent, { type: 'message' }>['message']) =>
      this.listener({ type: 'message', node: nodeId(0), incarnation: 1, message });
    say({ type: 'loaded', model, range, networkBytes: 0, cacheBytes: 0 });
    const ask = this.sent.findLast((message) => message.type === 'known-answer');
    if (ask?.type !== 'known-answer') throw new Error('the node was not asked');
    const given = answer === 'ready' ? answerOf(ask.range, ask.seed) : wrongAnswer;
    say({ type: 'known-answer', id: ask.id, answer: given });
    await settled();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

const request = {
  model: manifest.id,
  promptIds: [1, 2, 3],
  acceptedIds: [],
  maxTokens: 4,
  sampling: GREEDY,
  grammar: null,
  eosIds: [],
};

describe('the orchestrator behind the gateway’s door', () => {
  let orchestrator: Orchestrator | null = null;
  afterEach(() => orchestrator?.close());

  function open() {
    const hub = new FakeHub();
    const log: string[] = [];
    const opened = createOrchestrator({
      hub,
      manifest,
      checker: {
        expect: ({ range, seed }) => Promise.resolve(answerOf(range, seed)),
        close: () => undefined,
      },
      log: { write: (entry) => log.push(entry.event) },
    });
    orchestrator = opened;
    return { hub, log, orchestrator: opened };
  }

  /** With one node that has the whole model. */
  async function ready() {
    const opened = open();
    opened.hub.join();
    await settled();
    await opened.hub.become('ready');
    return opened;
  }

  it('[P1] refuses at once what cannot be answered', () => {
    const { orchestrator } = open();
    expect(() => orchestrator.start(request, () => undefined)).toThrow(
      expect.objectContaining({ code: 'session/no-cover' }) as Error,
    );
    const other = { ...request, model: 'other' as typeof request.model };
    expect(() => orchestrator.start(other, () => undefined)).toThrow(
      expect.objectContaining({ code: 'request/model-not-found' }) as Error,
    );
  });

  it('[S1] tells a reader nothing before it has the handle, then everything in order', async () => {
    const { orchestrator } = await ready();
    const events: AnswerEvent[] = [];
    const answer = orchestrator.start(request, (event) => events.push(event));
    expect(events).toEqual([]);
    await settled();
    expect(events.map((event) => event.type)).toEqual(['route']);
    answer.cancel();
    answer.cancel();
    await settled();
    expect(events.map((event) => event.type)).toEqual(['route', 'cancelled']);
    expect(orchestrator.load()).toMatchObject({ running: 0, queued: 0 });
    expect(orchestrator.view().relayedBytes).toBe(42);
  });

  it('[V3] a fenced socket that closes inside the call is no second step inside the first', async () => {
    const { hub, log, orchestrator } = open();
    hub.join();
    await settled();
    await hub.become('wrong');
    expect(hub.fenced).toEqual([1]);
    expect(log.filter((event) => event === 'node-lost')).toHaveLength(1);
    expect(orchestrator.view().nodes[0]?.state).toBe('lost');
  });

  it('[M4] only neighbours of a running route may relay', async () => {
    const { hub, orchestrator } = await ready();
    expect(hub.rule(nodeId(0), nodeId(1))).toBe(false);
    orchestrator.start(request, () => undefined);
    expect(hub.rule(nodeId(0), nodeId(1))).toBe(false);
  });

  it('[S10] its end is the end of every session, and the nodes hear it', async () => {
    const { hub, orchestrator } = await ready();
    const events: AnswerEvent[] = [];
    const { session } = orchestrator.start(request, (event) => events.push(event));
    orchestrator.close();
    await settled();
    expect(events.at(-1)).toEqual({ type: 'cancelled' });
    expect(hub.sent.at(-1)).toEqual({ type: 'session', message: { type: 'end', session } });
  });
});

import { sha256Hex } from '#lib/kernel/digest.ts';
import { utf8 } from '#lib/kernel/bytes.ts';
import type { IdentityId, ManifestHash, ModelId, NodeId, SessionId } from '#lib/kernel/ids.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { MIB } from '#lib/kernel/units.ts';
import type { KnownAnswer } from '#lib/webgpu/answers-agree.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import type { NodeMessage, NodeProfile, ServerMessage } from '#lib/shard/wire/node-messages.ts';
import type { OwnerMessage, Prepare } from '#lib/shard/wire/session-messages.ts';
import type { AnswerEvent, AnswerRequest } from '#server/orchestrator/answers.ts';
import { stepOrchestrator } from '#server/orchestrator/core.ts';
import type { OrchestratorInput, OrchestratorOutput } from '#server/orchestrator/events.ts';
import type { LogEntry } from '#server/orchestrator/log.ts';
import { createState, type OrchestratorConfig } from '#server/orchestrator/state.ts';
import { viewCluster } from '#server/orchestrator/view.ts';
import { modelOf, nodeId, speedOf } from './placement.ts';

/** The orchestrator's core with scripted nodes around it: a clock in steps, no sockets. */

export const HASH = 'a'.repeat(64) as ManifestHash;
export const MODEL = 'smollm2-135m-instruct' as ModelId;
export const sessionId = (n: number): SessionId => n.toString(16).padStart(32, '0') as SessionId;

/** The right answer of a range, as the recomputation and every sound node give it. */
export function answerOf(range: LayerRange, seed: number): KnownAnswer {
  const digest = sha256Hex(utf8(`${range.first}-${range.last}/${seed}`));
  const sample = Array.from({ length: 64 }, (_, i) => Math.sin(range.first + seed + i));
  return { digest, largest: 1, sample };
}
export const wrongAnswer: KnownAnswer = {
  ...{ digest: 'f'.repeat(64), largest: 1, sample: Array<number>(64).fill(0) },
};

export interface NodeScript {
  /** Loads by itself what it is assigned; else the test says `loaded`. */
  readonly loads: boolean;
  readonly pongs: boolean;
  readonly answersRightly: boolean;
  /** Opens the links it is introduced to. */
  readonly links: boolean;
  /** Takes sessions: answers `prepare`, reports, and (last place) samples a token a tick. */
  readonly serves: boolean;
  /** Computes a prompt as soon as it is told to. */
  readonly fills: boolean;
  /** What its step takes: the ring's next token waits for the slowest holder. */
  readonly tokenMs: number;
}

interface ScriptedNode extends NodeScript {
  id: NodeId;
  incarnation: number;
  alive: boolean;
  prepared: Map<SessionId, Prepare>;
  /** Index of the next token, of sessions in which this node is the last place and goes on. */
  sampling: Map<SessionId, number>;
  /** When it sampled last. */
  sampledAt: Map<SessionId, number>;
}

export const profileOf = (change: Partial<NodeProfile> = {}): NodeProfile => ({
  kind: 'tab',
  device: 'Chromium 156 · 8 cores',
  engine: 'cpu-wasm',
  threads: 1,
  layerMs: [...speedOf().layerMs],
  headMs: [...speedOf().headMs],
  memoryLentBytes: 1024 * MIB,
  storageBytes: 4096 * MIB,
  measuredFor: HASH,
  cachedRanges: [],
  ...change,
});

export class OrchestratorDriver {
  now = instantMs(1_000);
  state;
  readonly outputs: OrchestratorOutput[] = [];
  readonly events = new Map<SessionId, AnswerEvent[]>();
  readonly log: LogEntry[] = [];
  readonly nodes = new Map<NodeId, ScriptedNode>();
  #incarnation = 0;
  recomputes = true;

  constructor(change: Partial<OrchestratorConfig> = {}) {
    this.state = createState(
      {
        modelId: MODEL,
        manifest: HASH,
        model: modelOf(30),
        minStages: 1,
        numerics: 'int16',
        wireDtype: 'f32',
        draftsMax: 0,
        seed: 7,
        ...change,
      },
      this.now,
    );
  }

  feed(input: OrchestratorInput): void {
    const inbox = [input];
    for (let next = inbox.shift(); next; next = inbox.shift()) {
      const [state, outputs] = stepOrchestrator(this.state, next, this.now);
      this.state = state;
      for (const output of outputs) {
        this.outputs.push(output);
        inbox.push(...this.#answer(output));
      }
    }
  }

  join(n: number, script: Partial<NodeScript> = {}, profile: Partial<NodeProfile> = {}): NodeId {
    this.#incarnation += 1;
    const id = nodeId(n);
    this.nodes.set(id, {
      id,
      incarnation: this.#incarnation,
      alive: true,
      prepared: new Map(),
      sampling: new Map(),
      sampledAt: new Map(),
      loads: true,
      pongs: true,
      answersRightly: true,
      links: true,
      serves: true,
      fills: true,
      tokenMs: 0,
      ...script,
    });
    this.feed({
      type: 'hub',
      event: {
        type: 'joined',
        node: id,
        identity: nodeId(100 + n) as string as IdentityId,
        incarnation: this.#incarnation,
        profile: profileOf(profile),
        address: '192.0.2.1',
      },
    });
    return id;
  }

  say(n: number, message: NodeMessage): void {
    const { id, incarnation } = this.node(n);
    this.feed({ type: 'hub', event: { type: 'message', node: id, incarnation, message } });
  }

  hub(n: number, type: 'back' | 'disconnected'): void {
    const { id, incarnation } = this.node(n);
    this.feed({ type: 'hub', event: { type, node: id, incarnation } });
  }

  node(n: number): ScriptedNode {
    const node = this.nodes.get(nodeId(n));
    if (!node) throw new Error(`no node ${n}`);
    return node;
  }

  change(n: number, script: Partial<NodeScript>): void {
    Object.assign(this.node(n), script);
  }

  /** Kills it as SIGKILL does a renderer: no word, no pong, the socket closes. */
  kill(n: number): void {
    this.change(n, { pongs: false, serves: false, loads: false });
    this.hub(n, 'disconnected');
  }

  /** Time passes in ticks; nodes pong every 500 ms and sample one token a tick. */
  pass(ms: number, stepMs = 100): void {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.now = instantMs(this.now + stepMs);
      this.feed({ type: 'tick' });
      for (const node of this.nodes.values()) {
        if (!node.alive) continue;
        if (node.pongs && this.now % 500 === 0) this.#pong(node);
        if (node.serves) this.#sample(node);
      }
    }
  }

  start(n: number, change: Partial<AnswerRequest> = {}): SessionId {
    const session = sessionId(n);
    this.events.set(session, []);
    const request = {
      model: MODEL,
      promptIds: [1, 2, 3, 4],
      acceptedIds: [],
      maxTokens: 16,
      sampling: GREEDY,
      grammar: null,
      eosIds: [],
      ...change,
    };
    this.feed({ type: 'start', session, request });
    return session;
  }

  tokens = (session: SessionId): number[] =>
    (this.events.get(session) ?? []).flatMap((event) => (event.type === 'token' ? [event.id] : []));

  view = () => viewCluster(this.state, 0);

  sent(n: number): ServerMessage[] {
    return this.outputs.flatMap((output) =>
      output.type === 'send' && output.node === nodeId(n) ? [output.message] : [],
    );
  }

  #pong({ id: node, incarnation }: ScriptedNode): void {
    this.feed({
      type: 'hub',
      event: { type: 'pong', node, incarnation, rttMs: 2, progress: [] },
    });
  }

  /** What the world answers to an output, at once. */
  #answer(output: OrchestratorOutput): OrchestratorInput[] {
    switch (output.type) {
      case 'expect': {
        const { question } = output;
        const result = this.recomputes
          ? { answer: answerOf(question.range, question.seed) }
          : ({ fault: 'engine/lost' } as const);
        return [{ type: 'expected', question, result }];
      }
      case 'event':
        this.events.get(output.session)?.push(output.event);
        return [];
      case 'log':
        this.log.push(output.entry);
        return [];
      case 'introduce':
        return [output.a, output.b].flatMap((id) => this.#opened(id, output));
      case 'fence': {
        const node = this.nodes.get(output.node);
        if (node?.incarnation === output.incarnation) node.alive = false;
        return [];
      }
      case 'send':
        return this.#hear(output.node, output.incarnation, output.message);
      default:
        return [];
    }
  }

  #opened(
    id: NodeId,
    { a, b, relayOnly }: { a: NodeId; b: NodeId; relayOnly: boolean },
  ): OrchestratorInput[] {
    const node = this.nodes.get(id);
    const path = relayOnly ? 'relay' : 'direct';
    const link = '0'.repeat(32);
    const message = { type: 'link', peer: id === a ? b : a, link, state: 'open', path, rttMs: 1 };
    return node?.alive && node.links ? [this.#from(node, message as NodeMessage)] : [];
  }

  #hear(id: NodeId, incarnation: number, message: ServerMessage): OrchestratorInput[] {
    const node = this.nodes.get(id);
    if (node?.incarnation !== incarnation || !node.alive) return [];
    if (message.type === 'assign' && node.loads && message.assignment) {
      const { model, range } = message.assignment;
      return [this.#from(node, { type: 'loaded', model, range, networkBytes: 1, cacheBytes: 0 })];
    }
    if (message.type === 'known-answer' && node.loads) {
      const { id: check, range, seed } = message;
      const answer = node.answersRightly ? answerOf(range, seed) : wrongAnswer;
      return [this.#from(node, { type: 'known-answer', id: check, answer })];
    }
    if (message.type === 'session' && node.serves) return this.#serve(node, message.message);
    return [];
  }

  #serve(node: ScriptedNode, message: OwnerMessage): OrchestratorInput[] {
    const { session } = message;
    if (message.type === 'end' || message.type === 'release') {
      node.prepared.delete(session);
      node.sampling.delete(session);
      return [];
    }
    if (message.type === 'prepare') {
      node.prepared.set(session, message);
      node.sampling.delete(session);
      const { epoch } = message;
      const places = this.#placesOf(node, message);
      return [
        this.#from(node, { type: 'session', message: { type: 'prepared', session, epoch } }),
        ...places.map((place) => this.#report(node, message, { place, kvLength: 0 })),
      ];
    }
    const prepare = node.prepared.get(session);
    if (!prepare) return [];
    if (message.type === 'fill') {
      if (!node.fills) return [];
      return this.#placesOf(node, prepare).map((place) =>
        this.#report(node, prepare, { place, kvLength: prepare.resumeAt }),
      );
    }
    if (message.type === 'handover') {
      const lastPlace = prepare.route.at(-1);
      const last = this.nodes.get(lastPlace?.node ?? node.id);
      last?.sampling.set(session, prepare.resumeAt + 1 - prepare.promptLength);
    }
    return [];
  }

  #placesOf = (node: ScriptedNode, prepare: Prepare): number[] =>
    prepare.route.flatMap((place, index) => (place.node === node.id ? [index] : []));

  #report(
    node: ScriptedNode,
    { session, epoch }: Prepare,
    { place, kvLength }: { place: number; kvLength: number },
  ): OrchestratorInput {
    const message = { type: 'report', session, epoch, place, kvLength, keptFrom: 0 } as const;
    return this.#from(node, { type: 'session', message });
  }

  /** The ring stands still while any of its holders is dead: nothing arrives at the last place. */
  #sample(node: ScriptedNode): void {
    for (const [session, index] of [...node.sampling]) {
      const prepare = node.prepared.get(session);
      const ring = prepare?.route.map((place) => this.nodes.get(place.node)) ?? [];
      if (!prepare || !ring.every((holder) => holder?.alive && holder.serves)) continue;
      const tokenMs = Math.max(...ring.map((holder) => holder?.tokenMs ?? 0));
      if (this.now - (node.sampledAt.get(session) ?? -Infinity) < tokenMs) continue;
      node.sampledAt.set(session, this.now);
      node.sampling.set(session, index + 1);
      const { epoch, maxTokens } = prepare;
      const place = prepare.route.length - 1;
      const last = index + 1 >= maxTokens;
      const message = { type: 'token', session, epoch, place, index, id: 500 + index, last };
      this.feed(this.#from(node, { type: 'session', message: message as never }));
    }
  }

  #from({ id: node, incarnation }: ScriptedNode, message: NodeMessage): OrchestratorInput {
    return { type: 'hub', event: { type: 'message', node, incarnation, message } };
  }
}

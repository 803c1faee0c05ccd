import { must } from '#lib/kernel/assert.ts';
import { instantMs, type InstantMs } from '#lib/kernel/units.ts';
import type { ManifestHash, NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { createOwner, stepOwner, type OwnerState } from '#lib/shard/session/owner.ts';
import type { OwnerInput, OwnerOutput, RoutePlan } from '#lib/shard/session/types.ts';
import { createStageCore, stepStage, type StageCore } from '#lib/shard/stage/core/core.ts';
import { shardKey, type StageInput, type StageOutput } from '#lib/shard/stage/types.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import {
  draftsMaxOf,
  FAKE_WIDTH,
  FakeEngine,
  sampleId,
  WholeModel,
} from '#sim/session/fake-engine.ts';

const MANIFEST = 'f'.repeat(64) as ManifestHash;
const LAYERS_A_PLACE = 2;
/** Of a session of the fake model that guesses eight ids a step, of which some come true. */
const SEED = 88;
const GUESSING = { drafting: 'always' } as const;
export const STRANGER = 'e'.repeat(64) as NodeId;

export interface RingNode {
  readonly id: NodeId;
  incarnation: number;
  core: StageCore;
  engine: FakeEngine;
  readonly range: LayerRange;
}

export interface RingAnswer {
  readonly ids: readonly number[];
  readonly outcome: Extract<OwnerOutput, { type: 'done' }>['outcome'];
  readonly rightIds: readonly number[];
}

/**
 * The real cores of a ring: one stage a node, an owner, and engines that break where a run or a KV
 * order breaks its contract. Everything happens one by one, in order of arrival; where nothing is
 * left to happen, time passes.
 */
export class FuzzRing {
  readonly nodes: readonly RingNode[];
  now = 0;
  /** Before an honest frame arrives. */
  onFrame: (frame: Frame, from: NodeId, to: RingNode) => void = () => undefined;
  rejected = 0;
  faults = 0;
  readonly #queue: (() => void)[] = [];
  #sessions = 0;
  #feedOwner: (input: OwnerInput) => void = () => undefined;

  constructor(places: number) {
    this.nodes = Array.from({ length: places }, (_, at) => {
      const range = { first: LAYERS_A_PLACE * at, last: LAYERS_A_PLACE * (at + 1) - 1 };
      const id = (at + 1).toString(16).repeat(64) as NodeId;
      return {
        id,
        incarnation: 1,
        range,
        core: createStageCore(id, GUESSING),
        engine: engineOf(range),
      };
    });
    for (const node of this.nodes) this.#begin(node);
  }

  /** One answer from start to end. @throws Error where it hangs. */
  answer(promptIds: readonly number[], maxTokens: number): RingAnswer {
    this.#sessions += 1;
    const session = this.#sessions.toString(16).padStart(32, '0') as SessionId;
    const ids: number[] = [];
    const end: { outcome: RingAnswer['outcome'] | null } = { outcome: null };
    let owner: OwnerState;
    const perform = (outputs: readonly OwnerOutput[]): void => {
      for (const output of outputs) {
        if (output.type === 'accept') {
          if (output.index !== ids.length) throw new Error(`index ${output.index} is not next`);
          ids.push(output.id);
        } else if (output.type === 'done') end.outcome = output.outcome;
        else this.#perform(output);
      }
    };
    this.#feedOwner = (input) => {
      const [next, outputs] = stepOwner(owner, input, this.#instant());
      owner = next;
      perform(outputs);
    };
    const choosing = {
      sampling: { ...GREEDY, seed: SEED },
      grammar: null,
      eosIds: [],
      draftsMax: draftsMaxOf(SEED),
    };
    const request = { session, manifest: MANIFEST, acceptedIds: [], ...choosing };
    const [state, outputs] = createOwner(
      { ...request, promptIds, maxTokens },
      this.#plan(),
      this.#instant(),
    );
    owner = state;
    perform(outputs);
    const until = this.now + 120_000;
    for (let rests = false; end.outcome === null || !rests;) {
      rests = !this.#happen();
      if (rests && end.outcome === null) this.#pass(100);
      if (this.now > until) throw new Error(`session ${session} hangs`);
    }
    return {
      ids,
      outcome: must(end.outcome, 'it ended'),
      rightIds: this.#right(promptIds, maxTokens),
    };
  }

  /** What a peer's link brings, at once. */
  inject(to: RingNode, from: NodeId, frame: Frame): void {
    this.#step(to, { type: 'frames', from, frames: [frame] });
  }

  #instant = (): InstantMs => instantMs(this.now);

  #happen(): boolean {
    const next = this.#queue.shift();
    this.now += 0.1;
    next?.();
    return next !== undefined;
  }

  #pass(ms: number): void {
    this.now += ms;
    for (const node of this.nodes) this.#step(node, { type: 'tick' });
    this.#feedOwner({ type: 'tick' });
  }

  #step(node: RingNode, input: StageInput): void {
    const [core, outputs] = stepStage(node.core, input, this.#instant());
    node.core = core;
    for (const output of outputs) this.#performStage(node, output);
  }

  #performStage(node: RingNode, output: StageOutput): void {
    switch (output.type) {
      case 'owner': {
        const { message } = output;
        if (message.type === 'fault') this.faults += 1;
        const { id, incarnation } = node;
        this.#queue.push(() =>
          this.#feedOwner({ type: 'message', node: id, incarnation, message }),
        );
        return;
      }
      case 'frame': {
        const to = this.nodes.find(({ id }) => id === output.to);
        if (!to) throw new Error('a frame for nobody');
        this.#queue.push(() => {
          this.onFrame(output.frame, node.id, to);
          this.inject(to, node.id, output.frame);
        });
        return;
      }
      case 'run': {
        const { engine } = node;
        this.#queue.push(() => {
          if (node.engine !== engine) return;
          const results = engine.run(output.segments);
          this.#step(node, { type: 'run-done', run: output.run, ms: 1, results });
          this.#queue.push(() => {
            if (node.engine === engine) this.#step(node, { type: 'turn' });
          });
        });
        return;
      }
      case 'kv':
        // Its sessions share nothing.
        if (output.op === 'share' || output.op === 'keep') throw new Error(`a ${output.op} order`);
        node.engine.order(output);
        return;
      case 'reject-peer':
        this.rejected += 1;
        this.#queue.push(() => this.#relink(node, output.peer));
        return;
      case 'load':
        throw new Error('every shard is loaded');
      case 'grammar':
        throw new Error('no answer has to fit a grammar');
    }
  }

  #perform(output: Exclude<OwnerOutput, { type: 'accept' | 'done' }>): void {
    switch (output.type) {
      case 'send': {
        const { node: id, incarnation, message } = output;
        const node = this.#node(id);
        if (node.incarnation !== incarnation) return;
        this.#queue.push(() => {
          if (node.incarnation !== incarnation) return;
          if (message.type === 'prepare') {
            const { session, epoch } = message;
            const prepared = { type: 'prepared', session, epoch } as const;
            this.#feedOwner({ type: 'message', node: id, incarnation, message: prepared });
          }
          this.#step(node, { type: 'message', message });
        });
        return;
      }
      case 'need-route':
        this.#queue.push(() => this.#feedOwner({ type: 'route', plan: this.#plan() }));
        return;
      case 'declare': {
        // Fenced: it comes back by a new hello, with nothing.
        const node = this.#node(output.node);
        node.incarnation += 1;
        this.#begin(node);
        return;
      }
      case 'route-changed':
      case 'prefix-hit':
        return;
    }
  }

  #begin(node: RingNode): void {
    node.core = createStageCore(node.id, GUESSING);
    node.engine = engineOf(node.range);
    const limits = { pagePositions: 4, pagesMax: 10_000, rowsMax: 12, vocab: 1_000 };
    const shard = shardKey(MANIFEST, node.range);
    this.#step(node, { type: 'shard-ready', shard, ...limits, rowWidth: FAKE_WIDTH });
    for (const { id } of [...this.nodes.filter((other) => other !== node), { id: STRANGER }]) {
      this.#step(node, { type: 'link-open', peer: id, path: 'direct' });
      const peer = this.nodes.find((other) => other.id === id);
      if (peer) this.#step(peer, { type: 'link-open', peer: node.id, path: 'direct' });
    }
  }

  /** The shell closes the link of a peer it rejects; the server introduces the two again. */
  #relink(node: RingNode, peer: NodeId): void {
    const other = this.nodes.find(({ id }) => id === peer);
    for (const type of ['link-closed', 'link-open'] as const) {
      this.#step(node, { type, peer, path: 'direct' });
      if (other) this.#step(other, { type, peer: node.id, path: 'direct' });
    }
  }

  #node(id: NodeId): RingNode {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (!node) throw new Error('an order for nobody');
    return node;
  }

  #plan(): RoutePlan {
    return {
      places: this.nodes.map(({ id, incarnation, range }) => ({
        ...{ node: id, incarnation, range, path: 'direct' },
      })),
      ...{ numerics: 'exact', wireDtype: 'f32', chunkRows: 2, roundMs: 10, chunkMs: 10, loadMs: 0 },
    };
  }

  #right(promptIds: readonly number[], maxTokens: number): number[] {
    const model = new WholeModel(LAYERS_A_PLACE * this.nodes.length);
    let hidden = 0;
    for (const id of promptIds) hidden = model.forward(id);
    const ids: number[] = [];
    for (let index = 0; index < maxTokens; index += 1) {
      const id = sampleId(hidden, { seed: SEED, index, salt: 0, said: 0 });
      ids.push(id);
      hidden = model.forward(id);
    }
    return ids;
  }
}

const engineOf = (range: LayerRange): FakeEngine =>
  new FakeEngine(range, { pagesMax: 10_000, salted: false, onEvicted: () => undefined });

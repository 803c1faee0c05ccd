import { invariant } from '#lib/kernel/assert.ts';
import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { inspect, type ReplicaView } from '#lib/ledger/pbft/inspect.ts';
import { decodeMessage, encodeMessage, type Message } from '#lib/ledger/pbft/messages/message.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { createReplica, stepReplica, type ReplicaState } from '#lib/ledger/pbft/replica.ts';
import { nextTickAt } from '#lib/ledger/pbft/timers.ts';
import type {
  AppState,
  Effect,
  Environment,
  Evidence,
  Image,
  Link,
  Parameters,
  ReplicaEvent,
} from '#lib/ledger/pbft/types.ts';
import { counterApp, counterGenesis, keyedSigner, keyedVerify } from './counter-app.ts';
import { Disk } from '#sim/ledger/disk.ts';

export const WALL_MS = 1_800_000_000_000;

/** One core with its disk. Two of one name are twins: one key, two machines. */
export interface Node {
  readonly name: string;
  readonly env: Environment;
  state: ReplicaState;
  disk: Disk;
  isDown: boolean;
  /** Of its clock against the others'. */
  skewMs: number;
  readonly evidence: Evidence[];
  readonly amnesias: Uint8Array[];
  wakeAt: number;
}

/** What the network does with one message: lose it, or deliver it once or more after these delays. */
export type Fate = readonly number[];

interface Delivery {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export interface ClusterOptions {
  readonly n?: number;
  readonly parameters?: Partial<Parameters>;
  /** Observers and later members. */
  readonly extra?: readonly string[];
  /** Names that have two instances. */
  readonly twins?: readonly string[];
  readonly pieceBytes?: number;
}

/** Replicas in memory under one scripted network and clock; the checkers look at what they send and do. */
export class Cluster {
  readonly nodes: Node[] = [];
  readonly liars = new Set<string>();
  /** By sequence, the header that correct replicas executed. */
  readonly chain = new Map<number, string>();
  /** By request, at which sequence it took effect. */
  readonly effects = new Map<string, number>();
  readonly sent = new Map<string, number>();
  fate: (from: Node, to: Node, message: Message) => Fate = () => [5];
  diskMs: () => number = () => 1;
  nowMs = 0;
  private queue: Delivery[] = [];
  private order = 0;
  private readonly signed = new Map<string, string>();

  private readonly pieceBytes: number;

  constructor(options: ClusterOptions = {}) {
    const { n = 4, parameters = {}, extra = [], twins = [], pieceBytes = 4096 } = options;
    this.pieceBytes = pieceBytes;
    const names = Array.from({ length: n }, (_, i) => `r${i}`);
    const members = names.map((name) => `${name}:${name}`);
    const genesis = counterGenesis(members, parameters);
    for (const name of [...names, ...extra, ...twins]) this.add(name, genesis, name);
    for (const name of twins) this.liars.add(name);
  }

  private add(name: string, genesis: AppState, key: string): void {
    const env: Environment = {
      chain: nodeSha256(utf8('chain')),
      genesis,
      genesisTimeMs: WALL_MS,
      application: counterApp,
      signer: keyedSigner(key),
      verify: keyedVerify,
      sha256: nodeSha256,
      pieceBytes: this.pieceBytes,
    };
    const state = createReplica(env, { atMs: instantMs(0), wallMs: WALL_MS });
    this.nodes.push({
      ...{ name, env, state, disk: new Disk(counterApp), isDown: false, skewMs: 0 },
      ...{ evidence: [], amnesias: [], wakeAt: Infinity },
    });
    this.wake(this.nodes.at(-1)!);
  }

  node(index: number): Node {
    return this.nodes[index]!;
  }

  view(index: number): ReplicaView {
    return inspect(this.node(index).state);
  }

  private at(ms: number, run: () => void): void {
    this.order += 1;
    const delivery = { at: this.nowMs + ms, order: this.order, run };
    let index = this.queue.length;
    this.queue.push(delivery);
    // A binary heap: seeds make tens of thousands of deliveries.
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!earlier(this.queue[index]!, this.queue[parent]!)) break;
      [this.queue[index], this.queue[parent]] = [this.queue[parent]!, this.queue[index]!];
      index = parent;
    }
  }

  private next(): Delivery {
    const [first] = this.queue;
    const last = this.queue.pop()!;
    if (this.queue.length === 0) return first!;
    this.queue[0] = last;
    for (let index = 0; ;) {
      let least = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.queue.length && earlier(this.queue[child]!, this.queue[least]!)) {
          least = child;
        }
      }
      if (least === index) return first!;
      [this.queue[index], this.queue[least]] = [this.queue[least]!, this.queue[index]!];
      index = least;
    }
  }

  /** Everything that happens in the next `ms`. */
  run(ms: number): void {
    const end = this.nowMs + ms;
    while (this.queue[0] !== undefined && this.queue[0].at <= end) {
      const { at, run } = this.next();
      this.nowMs = at;
      run();
    }
    this.nowMs = end;
  }

  /** Until `done`, at most `ms`. @returns how long it took; Infinity: not in time. */
  until(done: () => boolean, ms: number): number {
    const start = this.nowMs;
    while (this.nowMs - start < ms) {
      if (done()) return this.nowMs - start;
      this.run(10);
    }
    return done() ? ms : Infinity;
  }

  step(node: Node, event: ReplicaEvent): void {
    if (node.isDown) return;
    const now = { atMs: instantMs(this.nowMs), wallMs: WALL_MS + this.nowMs + node.skewMs };
    const [state, effects] = stepReplica(node.state, event, now);
    node.state = state;
    for (const effect of effects) this.perform(node, effect);
    this.wake(node);
  }

  private wake(node: Node): void {
    const at = Math.max(this.nowMs + 1, nextTickAt(node.state));
    if (at >= node.wakeAt && node.wakeAt > this.nowMs) return;
    node.wakeAt = at;
    this.at(at - this.nowMs, () => {
      if (node.wakeAt !== this.nowMs) return;
      node.wakeAt = Infinity;
      this.step(node, { type: 'tick' });
    });
  }

  private perform(node: Node, effect: Effect): void {
    switch (effect.type) {
      case 'send':
        this.transmit(node, effect);
        return;
      case 'persist':
      case 'stable':
        node.disk.write(effect);
        if (node.disk.unsynced === 1) this.syncLater(node, node.disk);
        return;
      case 'executed':
        this.check(node, effect);
        return;
      case 'evidence':
        node.evidence.push(effect.evidence);
        return;
      case 'amnesia':
        node.amnesias.push(effect.publicKey);
    }
  }

  private syncLater(node: Node, disk: Disk): void {
    this.at(this.diskMs(), () => {
      if (node.disk !== disk) return;
      const id = disk.sync();
      if (id > 0) this.step(node, { type: 'stored', id });
    });
  }

  private transmit(from: Node, { to, bytes }: Extract<Effect, { type: 'send' }>): void {
    const message = decodeMessage(bytes);
    invariant(!isFault(message), 'what a replica sends decodes');
    this.checkVotes(from, message);
    this.sent.set(message.type, (this.sent.get(message.type) ?? 0) + 1);
    for (const node of this.nodes) {
      if (node.name === from.name || (to !== 'all' && to.id !== node.name)) continue;
      this.carry({ from, to: node, bytes }, this.fate(from, node, message));
    }
  }

  private carry({ from, to, bytes }: { from: Node; to: Node; bytes: Uint8Array }, fate: Fate) {
    const link: Link = { kind: 'replica', id: from.name };
    for (const delay of fate) this.at(delay, () => this.step(to, { type: 'message', bytes, link }));
  }

  /** Bytes on a link, as from `from`; whatever the network's fate would be. */
  inject(to: number, from: string, message: Message | Uint8Array): void {
    const bytes = message instanceof Uint8Array ? message : encodeMessage(message);
    this.step(this.node(to), { type: 'message', bytes, link: { kind: 'replica', id: from } });
  }

  /** A client's request, sent to these replicas (default: all) at once. */
  request(name: string, to: readonly number[] = this.nodes.map((_, i) => i)): void {
    const bytes = encodeMessage({ type: 'request', request: utf8(name) });
    const link: Link = { kind: 'client', id: 'c' };
    for (const index of to) this.step(this.node(index), { type: 'message', bytes, link });
  }

  crash(index: number): void {
    const node = this.node(index);
    node.isDown = true;
    node.disk.crash();
  }

  restart(index: number, image?: Image): void {
    const node = this.node(index);
    node.disk.crash();
    const before = node.disk;
    node.isDown = false;
    node.wakeAt = Infinity;
    this.step(node, { type: 'restart', image: image ?? before.image() });
  }

  isExecutedBy(name: string, indexes: readonly number[]): boolean {
    return indexes.every(
      (index) => !counterApp.admits(this.node(index).state.head.app, utf8(name), DOOR),
    );
  }

  /** Agreement, prefix and exactly once, from what correct replicas say that they executed. */
  private check(node: Node, { header, results }: Extract<Effect, { type: 'executed' }>): void {
    if (this.liars.has(node.name)) return;
    const hash = toHex(headerHash(header, nodeSha256));
    const known = this.chain.get(header.sequence);
    invariant(known === undefined || known === hash, `agreement at ${header.sequence}`);
    this.chain.set(header.sequence, hash);
    const before = this.chain.get(header.sequence - 1);
    invariant(before === undefined || before === toHex(header.prevHeaderHash), 'prefix');
    for (const result of results) {
      const name = new TextDecoder().decode(result);
      if (name === 'again') continue;
      const at = this.effects.get(name);
      invariant(at === undefined || at === header.sequence, `exactly once: ${name}`);
      this.effects.set(name, header.sequence);
    }
  }

  /** No correct key signs two votes for one (type, epoch, view, n), over all its restarts. */
  private checkVotes(node: Node, message: Message): void {
    if (this.liars.has(node.name)) return;
    const vote = message.type === 'pre-prepare' ? message.vote : message;
    if (!('replica' in vote) || !('sequence' in vote)) return;
    const self = node.state.self;
    if (vote.replica !== self || vote.epoch !== node.state.constitution.epoch) return;
    const view = 'view' in vote ? vote.view : '';
    const key = [node.name, vote.type, vote.epoch, view, vote.sequence].join('/');
    const digest = toHex('digest' in vote ? vote.digest : vote.headerHash);
    const known = this.signed.get(key);
    invariant(known === undefined || known === digest, `one vote: ${key}`);
    this.signed.set(key, digest);
  }
}

const DOOR = { wallMs: WALL_MS, isRelayed: false };

const earlier = (a: Delivery, b: Delivery): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

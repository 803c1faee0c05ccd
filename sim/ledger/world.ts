import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { seededRandom, type Random } from '#lib/kernel/random.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { chainOf } from '#lib/ledger/account/genesis.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { decodeMessage, encodeMessage, type Message } from '#lib/ledger/pbft/messages/message.ts';
import type { ReplicaState } from '#lib/ledger/pbft/replica.ts';
import type {
  Application,
  AppState,
  Effect,
  Environment,
  ReplicaEvent,
} from '#lib/ledger/pbft/types.ts';
import { Timeline } from '#sim/timeline.ts';
import { Trace } from '#sim/trace.ts';
import { Certificates } from './certificates.ts';
import { Chain } from './chain.ts';
import { Clients, type Sent } from './clients.ts';
import { OUR_LEDGER, type LedgerCore } from './core.ts';
import { Counts } from './counts.ts';
import { describe } from './describe.ts';
import { Disk } from './disk.ts';
import { firstKeyOf, genesisOf, operatorOf, START_MS } from './genesis.ts';
import { keyRingOf, type KeyRing } from './keys.ts';
import { Liar } from './liar.ts';
import { Light } from './light.ts';
import { checkMemory } from './memory.ts';
import { Network } from './network.ts';
import { isCorrect, type Node } from './node.ts';
import { Patience } from './patience.ts';
import { Power } from './power.ts';
import { Scene } from './scene.ts';
import { drawScenario, type Role, type Scenario } from './scenario.ts';
import { Votes } from './votes.ts';

export interface WorldOptions {
  readonly core?: LedgerCore;
  readonly scenario?: Scenario;
  readonly keepLines?: boolean;
}

/** A name that is no member at first. */
export const SPARE = 'operator x';

/** Machines, links, clients and checkers of one seed. */
export class World {
  readonly core: LedgerCore;
  readonly scenario: Scenario;
  readonly random: Random;
  readonly keys: KeyRing;
  readonly timeline = new Timeline();
  readonly trace: Trace;
  readonly counts = new Counts();
  readonly nodes: Node[] = [];
  readonly network: Network;
  readonly clients: Clients;
  readonly application: Application;
  readonly chain: Chain;
  readonly votes: Votes;
  readonly patience = new Patience();
  readonly power: Power;
  readonly scene: Scene;
  /** Epochs about whose beginning somebody left a view. */
  readonly boundaries = new Set<number>();
  readonly light: Light;
  /** Vote keys whose core has said that its log is lost. */
  private readonly amnesiacs = new Set<string>();
  private readonly certificates: Certificates;
  private readonly liar: Liar;
  private readonly chainId: Uint8Array;
  private readonly genesis: AppState;
  /** Told who executed a block. */
  onExecuted: (node: Node, effect: Extract<Effect, { type: 'executed' }>) => void = () => undefined;

  constructor(seed: number, options: WorldOptions = {}) {
    const { core = OUR_LEDGER, keepLines = false } = options;
    this.core = core;
    this.trace = new Trace(keepLines);
    this.random = seededRandom(seed);
    this.scenario = options.scenario ?? drawScenario(this.random.fork(), seed);
    this.keys = keyRingOf(seed);
    const genesis = genesisOf(this.keys, this.scenario);
    this.chainId = chainOf(genesis, nodeSha256);
    this.genesis = core.genesisState(genesis, nodeSha256);
    const { verify } = this.keys;
    this.application = core.ledgerApplication({
      ...{ chain: this.chainId, verify, sha256: nodeSha256, cut: CUT },
    });
    this.network = new Network(this.random.fork(), this.scenario, this.counts);
    this.liar = new Liar(this.random.fork(), this.scenario, this.keys.again);
    this.clients = new Clients({
      ...{ random: this.random.fork(), keys: this.keys, chain: this.chainId },
      wallMs: () => START_MS + this.now,
    });
    this.power = new Power(this, this.random.fork());
    const { n, roles, firstFaulty } = this.scenario;
    for (let i = 0; i < n; i += 1) this.add(operatorOf(i), roles[i - firstFaulty] ?? null, 0);
    for (const [i, role] of roles.entries())
      if (role === 'twin') this.add(operatorOf(firstFaulty + i), role, 1);
    this.add(SPARE, null, 0);
    this.network.draw(this.nodes);
    this.scene = new Scene(this);
    const { base } = this.node(0).state;
    this.chain = new Chain({
      ...{ application: this.application, genesis: this.genesis, timeMs: START_MS },
      ...{ genesisHash: base.headerHash, submitted: this.clients.submitted },
    });
    this.votes = new Votes(this.chain);
    this.light = new Light({ genesis, chain: this.chain, verify });
    const gap = this.application.checkBatch(this.application.writeBatch(0, []));
    this.certificates = new Certificates({
      ...{ chain: this.chain, env: { chain: this.chainId, verify } },
      nullDigest: gap?.digest ?? new Uint8Array(32),
    });
  }

  get now(): number {
    return this.timeline.now;
  }

  node(index: number): Node {
    return this.nodes[index]!;
  }

  private add(operator: string, role: Role | null, twin: 0 | 1): void {
    const keyName = firstKeyOf(operator);
    const env = this.environment(keyName, role);
    // A store writes as few states as the log allows, and may write each.
    const isEager = this.nodes.length % 2 === 0;
    const { skewMs } = this.scenario;
    const node: Node = {
      ...{ index: this.nodes.length, operator, role, twin, keyName, env },
      link: toHex(this.keys.signer(operator).publicKey),
      state: this.core.createReplica(env, this.nowOf(0)),
      disk: new Disk(this.application, isEager),
      isDown: false,
      skewMs: skewMs === 0 ? 0 : this.random.below(2 * skewMs) - skewMs,
      wakeAt: Infinity,
      hasLostLog: false,
      evidence: [],
    };
    this.nodes.push(node);
    this.wake(node);
  }

  /** Of one vote key; a censor's door is narrower. */
  environment(keyName: string, role: Role | null): Environment {
    const { application } = this;
    return {
      chain: this.chainId,
      genesis: this.genesis,
      genesisTimeMs: START_MS,
      application: role === 'censor' ? this.liar.censoring(application) : application,
      signer: this.keys.signer(keyName),
      verify: this.keys.verify,
      sha256: nodeSha256,
      pieceBytes: PIECE_BYTES,
      ...(role === null ? { met: (branch) => this.counts.add(branch) } : {}),
    };
  }

  private nowOf(skewMs: number) {
    const wallMs = Math.round(START_MS + this.now + skewMs);
    return { atMs: instantMs(this.now), wallMs };
  }

  log(line: () => string): void {
    this.trace.add(this.now, 0, line);
  }

  step(node: Node, event: ReplicaEvent): void {
    if (node.isDown) return;
    const before = node.state;
    const skewMs = this.liar.skewOf(node, this.now);
    const [state, effects] = this.core.stepReplica(before, event, this.nowOf(skewMs));
    node.state = state;
    if (isCorrect(node) && event.type !== 'restart') {
      this.patience.stepped(node, before, this.now);
    }
    for (const effect of effects) this.perform(node, effect);
    this.scene.look();
    this.witness(node, before, event);
    checkMemory(this.core.inspect, node);
    this.wake(node);
  }

  private wake(node: Node): void {
    const at = Math.max(this.now + 0.5, this.core.nextTickAt(node.state));
    if (at >= node.wakeAt && node.wakeAt > this.now) return;
    node.wakeAt = at;
    this.timeline.at(at, () => {
      if (node.wakeAt !== at) return;
      node.wakeAt = Infinity;
      for (const message of this.liar.unasked(node))
        this.transmit(node, 'all', { message, bytes: encodeMessage(message) });
      this.step(node, { type: 'tick' });
    });
  }

  private perform(node: Node, effect: Effect): void {
    switch (effect.type) {
      case 'send': {
        const message = decodeMessage(effect.bytes);
        if (isFault(message)) throw message;
        const to = effect.to === 'all' ? 'all' : effect.to.id;
        this.said(node, message);
        this.transmit(node, to, { message, bytes: effect.bytes });
        return;
      }
      case 'persist':
        if (isCorrect(node)) this.certificates.recorded(node, effect.record);
        this.power.writes(node, effect);
        return;
      case 'stable':
        if (isCorrect(node)) this.light.shown(effect.state);
        this.power.writes(node, effect);
        return;
      case 'executed':
        this.executed(node, effect);
        return;
      case 'evidence':
        this.counts.add('evidence');
        node.evidence.push(effect.evidence);
        return;
      case 'amnesia':
        if (!this.amnesiacs.has(node.keyName)) this.counts.add('amnesia');
        this.amnesiacs.add(node.keyName);
        this.log(() => `${node.operator} has lost its log`);
    }
  }

  private executed(node: Node, effect: Extract<Effect, { type: 'executed' }>): void {
    const { header, batch } = effect;
    this.log(() => `${this.nameOf(node)} executed #${header.sequence} e${header.epoch}`);
    if (isCorrect(node)) this.votes.executed(node, header);
    if (isCorrect(node) && this.chain.executed(effect)) {
      this.counts.add('slot executed');
      const { epochs } = this.chain;
      const last = epochs.at(-1);
      if (epochs.length > 1 && last?.base.sequence === header.sequence)
        this.votes.epochEnded(epochs.length - 2, header.sequence);
      if (batch.requests.length === 0) this.counts.add('empty batch executed');
    }
    this.onExecuted(node, effect);
  }

  private said(node: Node, message: Message): void {
    const saying = this.votes.sent(node, message);
    if (isCorrect(node) && (saying !== null || message.type === 'state')) {
      this.certificates.sent(node, message);
    }
    if (saying === null) return;
    if (message.type === 'new-view') this.witnessNewView(node, message);
    if (message.type === 'view-change') this.witnessViewChange(node);
  }

  /** Between a change's execution and the first checkpoint after it. */
  private witnessViewChange({ state }: Node): void {
    this.counts.add('view-change');
    const { constitution, head, stable, base } = state;
    const isEnding = head.constitution.endsAfter !== null;
    if (isEnding || head.constitution.epoch > constitution.epoch) {
      this.boundaries.add(constitution.epoch + 1);
    } else if (constitution.epoch > 0 && stable.sequence === base.sequence) {
      this.boundaries.add(constitution.epoch);
    }
  }

  private witnessNewView(node: Node, message: Extract<Message, { type: 'new-view' }>): void {
    this.counts.add('new-view');
    const gap = this.application.checkBatch(this.application.writeBatch(0, []))?.digest;
    const gaps = message.carried.filter(({ digest }) => toHex(digest) === toHex(gap ?? digest));
    if (gaps.length < message.carried.length) this.counts.add('new-view with a certificate');
    if (gaps.length > 0) this.counts.add('new-view with a gap');
    this.log(() => `${this.nameOf(node)} begins view ${message.view}`);
  }

  private witness(node: Node, before: ReplicaState, event: ReplicaEvent): void {
    const { state } = node;
    if (state === before) return;
    if (event.type === 'message' && STATE_BYTES.includes(event.bytes[0] ?? 0)) {
      if (
        state.stable.sequence > before.stable.sequence &&
        state.head.sequence !== before.head.sequence
      )
        this.counts.add('state transfer');
    }
  }

  /** Sends as a faulty replica may, over links that lose. */
  private transmit(
    from: Node,
    to: string,
    { message, bytes }: { readonly message: Message; readonly bytes: Uint8Array },
  ): void {
    this.liar.overhears(message);
    for (const node of this.nodes) {
      if (node.link === from.link || (to !== 'all' && to !== node.link)) continue;
      for (const lie of this.liar.says(from, node, message)) {
        const isTrue = lie.message === message;
        if (!isTrue) this.votes.sent(from, lie.message);
        if (this.scene.loses(from, node, lie.message)) continue;
        const out = isTrue ? bytes : encodeMessage(lie.message);
        const carried = lie.isTorn === true ? out.subarray(0, -1) : out;
        this.carry({ from, to: node, bytes: carried }, lie.delayMs);
      }
    }
  }

  private carry(of: { from: Node; to: Node; bytes: Uint8Array }, delayMs: number): void {
    const { from, to, bytes } = of;
    this.counts.add('message');
    const number = this.network.leaves(from, to);
    for (const delay of this.network.fate(from, to)) {
      this.timeline.in(delay + delayMs, () => {
        this.network.arrives(from, to, number);
        this.arrive(from, to, bytes);
      });
    }
  }

  private arrive(from: Node, to: Node, bytes: Uint8Array): void {
    if (to.isDown) return;
    const mark = (from.index << 24) ^ (to.index << 16) ^ (bytes.length << 8) ^ (bytes.at(-1) ?? 0);
    const message = from.role === null || this.trace.lines ? decodeMessage(bytes) : null;
    this.trace.add(this.now, mark, () => {
      const text = message === null || isFault(message) ? 'bytes' : describe(message);
      return `${this.nameOf(to)} < ${this.nameOf(from)} ${text}`;
    });
    const heard = message ?? decodeMessage(bytes);
    if (isCorrect(to) && !isFault(heard)) this.patience.hears(to, heard, this.now);
    this.step(to, { type: 'message', bytes, link: { kind: 'replica', id: from.link } });
  }

  /** A client's transaction, to these machines (all) at once. */
  submit(sent: Sent, to: readonly Node[] = this.nodes, isAgain = false): void {
    const bytes = encodeMessage({ type: 'request', request: isAgain ? sent.again : sent.bytes });
    const link = { kind: 'client' as const, id: sent.by };
    for (const node of to) {
      for (const delay of this.network.delays()) {
        this.timeline.in(delay, () => {
          this.step(node, { type: 'message', bytes, link });
        });
      }
    }
  }

  /** A censoring primary leaves this out. */
  censor(sent: Sent): void {
    this.liar.censors(sent.bytes);
    this.liar.censors(sent.again);
  }

  nameOf({ operator, twin, role }: Node): string {
    return `${operator.replace('operator ', 'r')}${role === 'twin' ? `/${twin}` : ''}`;
  }
}

/** STATE and PARTS. */
const STATE_BYTES = [13, 15];

/** Small enough that the states of a run come in pieces. */
const CUT = { records: 8, bytes: 1_024 };
const PIECE_BYTES = 2_048;

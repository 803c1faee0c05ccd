import { must } from '#lib/kernel/assert.ts';
import { instantMs } from '#lib/kernel/units.ts';
import type { ManifestHash, NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import type { TokenSource } from '#lib/webgpu/grammar/tokens.ts';
import type { Stage } from '#lib/webgpu/stage.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { openLinkPort } from '#lib/shard/mesh/link-port.ts';
import { createOwner, stepOwner, type OwnerState } from '#lib/shard/session/owner.ts';
import type { OwnerInput, OwnerStep, RoutePlan, SessionRequest } from '#lib/shard/session/types.ts';
import type { OwnerMessage, StageMessage, WireDtype } from '#lib/shard/wire/session-messages.ts';
import type { HostReport, HostSnapshot } from '#lib/shard/stage/host-protocol.ts';
import { StageHost, type LoadOrder, type StageHostDoors } from '#lib/shard/stage/stage-host.ts';

export const nodeId = (digit: number): NodeId => digit.toString(16).repeat(64) as NodeId;
const now = () => instantMs(performance.now());

export interface RingOptions {
  readonly hash: ManifestHash;
  readonly ranges: readonly LayerRange[];
  readonly numerics: Numerics;
  /** Rows of a prefill chunk; 16 where it is left out. */
  readonly chunkRows?: number;
  readonly load: (order: LoadOrder) => Promise<Stage>;
  /** How long a frame is on its way to another node; 0 where it is left out. */
  readonly linkMs?: number;
  /** What a link carries in a millisecond, each way; as much as it is given where it is left out. */
  readonly linkBytesPerMs?: number;
  /** How rows travel; `f32` where it is left out. */
  readonly wireDtype?: WireDtype;
  /** Whether hosts guess only where it pays, or wherever they can. */
  readonly drafting?: 'measured' | 'always';
  /** Of answers that have to fit a grammar. */
  readonly tokens?: TokenSource;
}

export interface RingNode {
  readonly id: NodeId;
  readonly host: StageHost;
  readonly faults: HostReport[];
  snapshot: HostSnapshot | null;
}

/** Real hosts in one process, a MessageChannel between each two, and the real owner's core. */
export class HostRing {
  readonly nodes: RingNode[] = [];
  /** Positions that no node computed, of answers whose prompt was there. */
  readonly hits: number[] = [];
  /** What was told beside ids, of answers that asked for it. */
  readonly told: TokenLogprobs[] = [];
  readonly #options: RingOptions;
  readonly #sessions = new Map<string, (input: OwnerInput) => void>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(options: RingOptions, spares = 0) {
    this.#options = options;
    const count = options.ranges.length + spares;
    for (let i = 0; i < count; i += 1) this.nodes.push(this.#makeNode(i + 1));
    for (const [i, a] of this.nodes.entries()) {
      for (const b of this.nodes.slice(i + 1)) this.link(a, b, 'first');
    }
    this.#timer = setInterval(() => {
      for (const node of this.nodes) node.host.tick();
      for (const feed of this.#sessions.values()) feed({ type: 'tick' });
    }, 100);
  }

  link(a: RingNode, b: RingNode, name: string): void {
    const [port1, port2] = linkPorts(this.#options);
    const ends = [
      [a, b, port1],
      [b, a, port2],
    ] as const;
    for (const [at, to, port] of ends) {
      at.host.command({ type: 'link-port', peer: to.id, link: name, port: { kind: 'port', port } });
      at.host.command({ type: 'link-open', peer: to.id, link: name, path: 'direct' });
    }
  }

  plan(holders: readonly number[] = this.#options.ranges.map((_, i) => i)): RoutePlan {
    const { ranges, numerics, chunkRows = 16, wireDtype = 'f32' } = this.#options;
    return {
      places: ranges.map((range, i) => ({
        ...{ node: this.nodes[holders[i] ?? i]!.id, incarnation: 1 },
        ...{ range, path: 'direct' as const },
      })),
      ...{ numerics, wireDtype, chunkRows, roundMs: 50, chunkMs: 250, loadMs: 5000 },
    };
  }

  /** Ids of one answer, greedy unless asked otherwise; `onToken` may break things. */
  answer(request: {
    promptIds: readonly number[];
    maxTokens: number;
    choosing?: Partial<
      Pick<SessionRequest, 'sampling' | 'grammar' | 'eosIds' | 'draftsMax' | 'prefix'>
    >;
    onToken?: (count: number, feed: (input: OwnerInput) => void) => void;
    reroute?: () => RoutePlan | null;
  }): Promise<number[]> {
    const session = Array.from({ length: 32 }, () =>
      Math.floor(Math.random() * 16).toString(16),
    ).join('') as SessionId;
    return new Promise((resolve, reject) => {
      const ids: number[] = [];
      let state: OwnerState;
      const feed = (input: OwnerInput): void => perform(stepOwner(state, input, now()));
      const perform = ([next, outputs]: OwnerStep<OwnerState>): void => {
        state = next;
        for (const output of outputs) {
          if (output.type === 'send') this.#deliver(output, feed);
          else if (output.type === 'accept') {
            ids.push(output.id);
            if (output.logprobs) this.told.push(output.logprobs);
            request.onToken?.(ids.length, feed);
          } else if (output.type === 'prefix-hit') {
            this.hits.push(output.positions);
          } else if (output.type === 'need-route') {
            setTimeout(() => feed({ type: 'route', plan: request.reroute?.() ?? null }), 0);
          } else if (output.type === 'done') {
            this.#sessions.delete(session);
            if (output.outcome.kind === 'finished') resolve(ids);
            else reject(new Error(JSON.stringify(output.outcome)));
          }
        }
      };
      this.#sessions.set(session, feed);
      perform(
        createOwner(
          {
            ...{ session, manifest: this.#options.hash, acceptedIds: [], sampling: GREEDY },
            ...{ promptIds: request.promptIds, maxTokens: request.maxTokens, eosIds: [] },
            ...{ grammar: null, draftsMax: 0, ...request.choosing },
          },
          this.plan(),
          now(),
        ),
      );
    });
  }

  end(): void {
    clearInterval(this.#timer);
    for (const node of this.nodes) node.host.dispose();
  }

  #deliver(
    output: { readonly node: NodeId; readonly message: OwnerMessage },
    feed: (input: OwnerInput) => void,
  ): void {
    const node = this.nodes.find((candidate) => candidate.id === output.node)!;
    const { message } = output;
    if (message.type === 'prepare') {
      const { session, epoch } = message;
      const prepared = { type: 'prepared', session, epoch } as const;
      setTimeout(() => feed({ type: 'message', node: node.id, incarnation: 1, message: prepared }));
    }
    node.host.command({ type: 'message', message });
  }

  #makeNode(digit: number): RingNode {
    const id = nodeId(digit);
    const node: RingNode = {
      id,
      faults: [],
      snapshot: null,
      host: this.#makeHost(id, {
        report: (report) => {
          if (report.type === 'snapshot') node.snapshot = report.snapshot;
          else if (report.type === 'owner') this.#hear(id, report.message);
          else if (report.type !== 'progress') node.faults.push(report);
        },
      }),
    };
    return node;
  }

  #makeHost(id: NodeId, { report }: Pick<StageHostDoors, 'report'>): StageHost {
    const { load, tokens, drafting = 'measured' } = this.#options;
    return new StageHost(
      {
        ...{ self: id, now, report, openLink: openLinkPort, loadShard: load },
        loadTokens: () => Promise.resolve(must(tokens, 'a vocabulary')),
        abortFetch: () => undefined,
      },
      { drafting },
    );
  }

  /** In a turn of its own, and before the host's next run. */
  #hear(node: NodeId, message: StageMessage): void {
    if (message.type === 'resync') return;
    setImmediate(() =>
      this.#sessions.get(message.session)?.({ type: 'message', node, incarnation: 1, message }),
    );
  }
}

/** Two ends of a link on which each message takes so long, after those before it; in order, as timers fire. */
function linkPorts({
  linkMs = 0,
  linkBytesPerMs = Infinity,
}: RingOptions): readonly [MessagePort, MessagePort] {
  const near = new MessageChannel();
  if (linkMs === 0 && linkBytesPerMs === Infinity) return [near.port1, near.port2];
  const far = new MessageChannel();
  for (const [from, to] of [
    [near.port2, far.port1],
    [far.port1, near.port2],
  ] as const) {
    let freeAt = 0;
    from.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      const bytes = data instanceof ArrayBuffer ? data.byteLength : 0;
      freeAt = Math.max(freeAt, performance.now()) + bytes / linkBytesPerMs;
      setTimeout(() => to.postMessage(data), freeAt + linkMs - performance.now());
    });
    from.start();
  }
  return [near.port1, far.port2];
}

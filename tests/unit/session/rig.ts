import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { instantMs } from '#lib/kernel/units.ts';
import type { ManifestHash, NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { OwnerMessage, StageMessage } from '#lib/shard/wire/session-messages.ts';
import { createOwner, stepOwner, viewOwner, type OwnerState } from '#lib/shard/session/owner.ts';
import type {
  OwnerInput,
  OwnerOutput,
  PlannedPlace,
  RoutePlan,
  SessionRequest,
} from '#lib/shard/session/types.ts';

export const SESSION = 'a'.repeat(32) as SessionId;
export const node = (i: number): NodeId => i.toString(16).padStart(64, '0') as NodeId;

export const request = (change: Partial<SessionRequest> = {}): SessionRequest => ({
  session: SESSION,
  manifest: 'f'.repeat(64) as ManifestHash,
  promptIds: [11, 12, 13, 14, 15],
  acceptedIds: [],
  maxTokens: 8,
  sampling: { ...GREEDY, seed: 1 },
  grammar: null,
  eosIds: [2],
  draftsMax: 0,
  ...change,
});

export const place = (n: number, at: number, incarnation = 1): PlannedPlace => ({
  node: node(n),
  incarnation,
  range: { first: 2 * at, last: 2 * at + 1 },
  path: 'direct',
});

/** Node n holds place n − 1, two layers each. */
export const plan = (
  places: readonly PlannedPlace[],
  change: Partial<RoutePlan> = {},
): RoutePlan => ({
  places,
  numerics: 'exact',
  wireDtype: 'f32',
  chunkRows: 4,
  roundMs: 50,
  chunkMs: 50,
  loadMs: 0,
  ...change,
});

export const PLAN = plan([place(1, 0), place(2, 1), place(3, 2)]);

/** One owner at a virtual clock; `out` holds what the latest step gave. */
export class OwnerRig {
  state: OwnerState;
  out: readonly OwnerOutput[];
  now = 0;

  constructor(options: { request?: SessionRequest; plan?: RoutePlan | null } = {}) {
    const chosen = options.plan === undefined ? PLAN : options.plan;
    [this.state, this.out] = createOwner(options.request ?? request(), chosen, instantMs(0));
  }

  step(input: OwnerInput): readonly OwnerOutput[] {
    [this.state, this.out] = stepOwner(this.state, input, instantMs(this.now));
    return this.out;
  }

  say(from: number, message: StageMessage, incarnation = 1): readonly OwnerOutput[] {
    return this.step({ type: 'message', node: node(from), incarnation, message });
  }

  /** Lets time pass to `at` and ticks. */
  tickAt(at: number): readonly OwnerOutput[] {
    this.now = at;
    return this.step({ type: 'tick' });
  }

  get epoch(): number {
    return viewOwner(this.state).epoch;
  }

  get phase(): string {
    return viewOwner(this.state).phase;
  }

  prepared(...nodes: number[]): void {
    for (const n of nodes) this.say(n, { type: 'prepared', session: SESSION, epoch: this.epoch });
  }

  report(n: number, kvLength: number, keptFrom = 0): readonly OwnerOutput[] {
    const at = this.state.route?.places.findIndex((each) => each.node === node(n)) ?? 0;
    const { epoch } = this;
    return this.say(n, { type: 'report', session: SESSION, epoch, place: at, kvLength, keptFrom });
  }

  /** All three places prepared and full: decoding begins. */
  reachDecoding(): readonly OwnerOutput[] {
    this.prepared(1, 2, 3);
    const length = this.state.route?.resumeAt ?? 0;
    for (const n of [1, 2]) this.report(n, length);
    return this.report(3, length);
  }

  token(index: number, id: number, change: Partial<Extract<StageMessage, { type: 'token' }>> = {}) {
    const { epoch } = this;
    const token = {
      type: 'token',
      session: SESSION,
      epoch,
      place: 2,
      index,
      id,
      last: false,
    } as const;
    return this.say(3, { ...token, ...change });
  }

  fault(n: number, why: Extract<StageMessage, { type: 'fault' }>['why'], epoch = this.epoch) {
    const at = this.state.route?.places.findIndex((each) => each.node === node(n)) ?? 0;
    return this.say(n, { type: 'fault', session: SESSION, epoch, place: at, why });
  }

  lose(n: number, incarnation = 1): readonly OwnerOutput[] {
    return this.step({ type: 'node-lost', node: node(n), incarnation });
  }
}

/** What was sent to a node, or to all, of one type. */
export function sent<Type extends OwnerMessage['type']>(
  out: readonly OwnerOutput[],
  type: Type,
  to?: number,
): Extract<OwnerMessage, { type: Type }>[] {
  return out.flatMap((output) => {
    if (output.type !== 'send' || output.message.type !== type) return [];
    if (to !== undefined && output.node !== node(to)) return [];
    return [output.message as Extract<OwnerMessage, { type: Type }>];
  });
}

export const only = <Type extends OwnerOutput['type']>(
  out: readonly OwnerOutput[],
  type: Type,
): Extract<OwnerOutput, { type: Type }>[] =>
  out.filter((output): output is Extract<OwnerOutput, { type: Type }> => output.type === type);

import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';
import type { OwnerMessage, StageMessage } from '#lib/shard/wire/session-messages.ts';
import { sameRange } from '#lib/shard/placement/core.ts';
import type { OwnerInput, PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import type { RunSegment, StageInput, StageOutput } from '#lib/shard/stage/types.ts';
import type { OwnerState } from '#sim/core.ts';
import type { Ground, Owners } from './ground.ts';
import type { Machine } from './machine.ts';

/** A frame of a step in which drafts are tried. */
export const isOfDrafts = (frame: Frame): boolean =>
  frame.type === 'token' && frame.drafts.length > 0;

/** From the first doubt to the next accepted token: an owner is in a failover. */
export function isInFailover({ phase, route }: OwnerState): boolean {
  if (phase.kind === 'done' || !route) return false;
  return phase.kind === 'routing' || (route.epoch > 1 && !route.proven);
}

type Report = Extract<StageMessage, { type: 'report' }>;

interface WitnessWorld extends Ground {
  readonly office: Owners & {
    readonly alive: ReadonlyMap<NodeId, { readonly incarnation: number }>;
    routesOver(node: NodeId): readonly (readonly PlannedPlace[])[];
  };
}

/** Sees what really happened, from outside the cores, and counts it under its name (`events.ts`). */
export class Witness {
  /** Who was in a session's routes: now, and ever. */
  private readonly routes = new Map<SessionId, { now: Set<NodeId>; left: Set<string> }>();
  private readonly diedAt = new Map<NodeId, number>();
  /** Sessions whose last token went to stage 0 with drafts. */
  private readonly guessing = new Set<SessionId>();
  private readonly world: WitnessWorld;

  constructor(world: WitnessWorld) {
    this.world = world;
  }

  /** Dead at this instant. Its sessions' routes still name it. */
  died(node: Machine): void {
    const { timeline, office } = this.world;
    const { now } = timeline;
    for (const places of office.routesOver(node.id)) {
      const at = places.findIndex((place) => place.node === node.id);
      for (const [other, place] of places.entries()) {
        if (place.node === node.id || this.diedAt.get(place.node) !== now) continue;
        const apart = Math.abs(other - at);
        const isNext = apart === 1 || apart === places.length - 1;
        this.world.count(`two stages die at once, ${isNext ? 'adjacent' : 'apart'}`);
      }
    }
    this.diedAt.set(node.id, now);
  }

  joined(node: Machine): void {
    const diedAt = this.diedAt.get(node.id) ?? -Infinity;
    if (this.world.timeline.now - diedAt >= 2000) return;
    if (this.world.office.routesOver(node.id).length > 0)
      this.world.count('node crashes and is back in < 2 s');
  }

  /** An incarnation ends: is that a failure inside a failover? */
  lost(node: NodeId, desks: Iterable<{ readonly owner: OwnerState | null }>): void {
    for (const { owner } of desks) {
      if (!owner || !isInFailover(owner)) continue;
      if (owner.route?.places.some((place) => place.node === node))
        this.world.count('failure during a failover');
    }
  }

  /** The last place has sampled a step: of how many rows, and how many of their ids count. */
  sampled({ session, want }: RunSegment, outputs: readonly StageOutput[]): void {
    const said = outputs.flatMap((output) =>
      output.type === 'owner' && output.message.type === 'token' ? output.message : [],
    );
    const own = said.filter((token) => token.session === session).length;
    if (own === 0) return;
    this.guessing.delete(session);
    if (want.kind !== 'sample-rows') return;
    const stand = own === 1 ? 'none stands' : own < want.points.length ? 'some stand' : 'all stand';
    this.world.count(`step of drafts: ${stand}`);
  }

  frameSent(frame: Frame): void {
    if (frame.type === 'token' && frame.drafts.length > 0) this.guessing.add(frame.session);
  }

  /** What came between a token with drafts and the step that tries them. */
  draftsEnd(session: SessionId, how: 'a new epoch ends it' | 'cancelled'): void {
    if (this.guessing.delete(session)) this.world.count(`step of drafts: ${how}`);
  }

  cancelled(owner: OwnerState): void {
    const failover = isInFailover(owner) ? ' of a failover' : '';
    this.world.count(`cancel while ${owner.phase.kind}${failover}`);
  }

  routed(session: SessionId, plan: RoutePlan): void {
    const { places } = plan;
    const held = this.routes.get(session) ?? { now: new Set(), left: new Set() };
    const nodes = new Set(places.map((place) => place.node));
    for (const place of places)
      if (held.left.delete(`${place.node}/${place.incarnation}`))
        this.world.count('holder leaves a route and returns to it');
    const known = this.world.office.alive;
    for (const node of held.now)
      if (!nodes.has(node)) held.left.add(`${node}/${known.get(node)?.incarnation ?? -1}`);
    this.routes.set(session, { now: nodes, left: held.left });
    for (const [at, place] of places.entries()) {
      const next = places.findIndex((other, i) => i > at && other.node === place.node);
      if (next < 0) continue;
      const isNext = next === at + 1 || (at === 0 && next === places.length - 1);
      this.world.count(`one node holds two hops, ${isNext ? 'adjacent' : 'apart'}`);
    }
    if (places.some((place) => place.path === 'relay')) this.world.count('hop goes by relay');
  }

  /** A place must compute rows again that it had: those kept were dropped (S5, S11). */
  filled(owner: OwnerState, message: Extract<OwnerMessage, { type: 'fill' }>): void {
    const reports = owner.route?.reports ?? [];
    const fresh = (owner.route?.places ?? []).flatMap(({ since }, at) =>
      since === message.epoch ? [reports[at]?.kvLength ?? 0] : [],
    );
    if (Math.max(...fresh) > 0 && new Set(fresh).size > 1)
      this.world.count('prefix hits of different length');
    const isAgain = message.starts.some((start, at) => start < (reports[at]?.kvLength ?? 0));
    if (isAgain) this.world.count('kept rows gone, computed again');
  }

  heard(input: OwnerInput, isLiving: boolean): void {
    if (input.type !== 'message') return;
    if (!isLiving) this.world.count('word of an ended incarnation');
    const { message } = input;
    if (message.type === 'report') this.reported(message, input.node);
    if (message.type === 'fault') this.world.count(`fault ${message.why}`);
    if (message.type === 'report' && message.keptFrom > 0 && message.keptFrom < message.kvLength)
      this.world.count('kept rows dropped');
  }

  /** A place that was taken in this epoch says what it found of its prompt. */
  private reported({ session, epoch, place, kvLength }: Report, node: NodeId): void {
    const owner = this.world.office.desks.get(session)?.owner;
    const held = owner?.route?.places[place];
    if (owner?.phase.kind !== 'preparing' || owner.route?.epoch !== epoch || kvLength === 0) return;
    if (held?.node === node && held.since === epoch) this.world.count('prefix hit');
  }

  lostOnSocket(message: OwnerMessage | StageMessage): void {
    this.world.count(`socket drops with ${message.type} in flight`);
  }

  /** A frame of one whose death is declared comes to a peer that knows so, or not yet. */
  zombieFrame(to: Machine, frame: Frame): void {
    const epoch = to.core.sessions.get(frame.session)?.prepare.epoch ?? 0;
    const when = frame.epoch < epoch ? 'after' : 'before';
    this.world.count(`zombie sends old frames ${when} the new route is known`);
  }

  beforeInput(node: Machine, input: StageInput): void {
    if (input.type !== 'message' || input.message.type !== 'prepare') return;
    const { session, epoch, route } = input.message;
    const seats = node.core.sessions.get(session)?.seats ?? [];
    const isStale = seats.some(({ range, since }) =>
      route.some(
        (place) => place.node === node.id && sameRange(place.range, range) && place.since !== since,
      ),
    );
    if (isStale) this.world.count('holder comes back to its place unreleased');
    const isRunning = node.segments.some((each) => each.session === session && each.epoch < epoch);
    if (isRunning) this.world.count('step runs while the new epoch comes');
  }

  /** It died while it performed what one step asked for: between its two sends? */
  diedInside(asked: readonly StageOutput[], done: ReadonlySet<StageOutput>): void {
    const word = asked.find(({ type, ...rest }) => type === 'owner' && isToken(rest));
    const frame = asked.find((output) => output.type === 'frame' && output.frame.type === 'token');
    if (!word || !frame || done.has(word) === done.has(frame)) return;
    this.world.count(
      done.has(word)
        ? 'last stage dies, owner told and stage 0 not'
        : 'last stage dies, stage 0 told and owner not',
    );
  }
}

const isToken = (output: object): boolean =>
  'message' in output && (output.message as StageMessage).type === 'token';

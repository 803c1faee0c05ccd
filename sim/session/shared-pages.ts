import type { SessionId } from '#lib/kernel/ids.ts';
import type { SessionRequest } from '#lib/shard/session/types.ts';
import type { KvOrder } from '#lib/shard/stage/types.ts';
import { pageEnd, PAGE_POSITIONS, WholeModel } from './fake-engine.ts';
import { SimFailure } from './failure.ts';
import { short, type Ground } from './ground.ts';
import type { Machine } from './machine.ts';

type Keep = Extract<KvOrder, { op: 'keep' }>;
type Share = Extract<KvOrder, { op: 'share' }>;

interface Desk {
  readonly request: SessionRequest;
  readonly reader: { readonly ids: readonly number[] };
}

/** Who asked for what, and has read so far. */
interface PagesWorld extends Ground {
  readonly office: { readonly desks: ReadonlyMap<SessionId, Desk> };
}

/** Whose a page is: nobody with another salt may use it, unless all of it is public. */
function scopeOf({ office }: PagesWorld, session: SessionId, page: number): string | null {
  const prefix = office.desks.get(session)?.request.prefix;
  if (!prefix) return null;
  return pageEnd(page) <= (prefix.public?.ids ?? 0) ? 'public' : prefix.salt;
}

/**
 * A page may be found by others from now on: it must hold what the model has after just those ids
 * that the owner accepted, computed in one place.
 */
export function checkKept(
  world: PagesWorld,
  node: Machine,
  order: Keep,
): Map<string, string | null> {
  const scopes = new Map<string, string | null>();
  const desk = world.office.desks.get(order.session);
  const engine = node.engines.get(order.shard);
  if (!desk || !engine) return scopes;
  const ids = [...desk.request.promptIds, ...desk.reader.ids];
  const model = new WholeModel(world.scenario.layers);
  const last = order.firstPage + order.keys.length;
  if (pageEnd(last - 1) > ids.length)
    throw new SimFailure('token', `${short(node.id)} keeps rows of ids that nobody accepted`);
  for (const [at, id] of ids.slice(0, last * PAGE_POSITIONS).entries()) {
    model.forward(id);
    const page = Math.floor(at / PAGE_POSITIONS);
    const key = order.keys[page - order.firstPage];
    if (key === undefined || at + 1 < pageEnd(page)) continue;
    scopes.set(key, scopeOf(world, order.session, page));
    if (!engine.holds(order, at, model.linksOf(engine.range)))
      throw new SimFailure('token', `${short(node.id)} keeps a page that is wrong`);
  }
  return scopes;
}

/** TTFT would tell one requester what another has asked (prefix scope). */
export function checkShared(
  world: PagesWorld,
  node: Machine,
  { order, found }: { readonly order: Share; readonly found: readonly (string | null)[] },
): void {
  for (const [page, scope] of found.entries()) {
    const own = scopeOf(world, order.session, page);
    if (scope === null || scope !== own)
      throw new SimFailure('fence', `${short(node.id)} shares a page of ${scope} with ${own}`);
  }
}

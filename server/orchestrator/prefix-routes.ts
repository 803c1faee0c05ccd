import { mayHit, type KnownPrefix } from '#lib/shard/placement/core.ts';
import { ownerPages, viewOwner } from '#lib/shard/session/owner.ts';
import { pageDigests, type PrefixSharing } from '#lib/shard/session/prefix.ts';
import type { PlannedPlace, RoutePlan } from '#lib/shard/session/types.ts';
import { WIRE } from '#lib/shard/wire/limits.ts';
import type { AnswerRequest } from './answers.ts';
import { update, type Turn } from './events.ts';
import { ORCHESTRATOR } from './limits.ts';
import type {
  OrchestratorState,
  PrefixRoute,
  PromptPages,
  SessionRecord,
  Waiting,
} from './state.ts';

/** Which route computed which prompts, so that a conversation returns to its pages (S3, P1). */

const pagePositions = WIRE.prefixPagePositions;

/** Names of the whole pages below a request's first position to sample; null: it shares nothing. */
export function promptPages(state: OrchestratorState, request: AnswerRequest): PromptPages | null {
  if (!request.prefix) return null;
  const { salt, public: open } = request.prefix;
  const aged = (text: string): string => `${state.prefixAge}/${text}`;
  const scope = {
    salt: salt === null ? null : aged(salt),
    public: open && { ...open, salt: aged(open.salt) },
  };
  const ids = [...request.promptIds, ...request.acceptedIds].slice(0, -1);
  return { scope, digests: pageDigests({ ...scope, pagePositions }, ids) };
}

type KnownRoute = KnownPrefix & Pick<PrefixRoute, 'wireDtype'>;

/** The route that computed most of the prompt, the latest of these. */
export function knownPrefix(state: OrchestratorState, waiting: Waiting): KnownRoute | null {
  return knownPrefixes(state, waiting).reduce<KnownRoute | null>(
    (best, known) => (known.positions >= (best?.positions ?? 0) ? known : best),
    null,
  );
}

/** What the owner shares; in its first epoch places look for pages only where one may have some. */
export function sharingOf(
  state: OrchestratorState,
  waiting: Waiting,
  plan: RoutePlan,
): { readonly prefix?: PrefixSharing } {
  if (!waiting.pages) return {};
  const isKnown = knownPrefixes(state, waiting).some((known) => mayHit(plan, known));
  return { prefix: { ...waiting.pages.scope, pagePositions, mayHit: isKnown } };
}

/**
 * Whether a session reads this prompt just now: all whole pages of its own are pages of this one, and
 * of those more than were read before. It began earlier, so waiting for it takes no longer than reading
 * the prompt once more beside it. One that has lost its first route is waited for no longer.
 */
export function isBeingRead(state: OrchestratorState, waiting: Waiting): boolean {
  const digests = waiting.pages?.digests ?? [];
  if (digests.length === 0) return false;
  const reading = [...state.sessions.values()].filter(({ owner }) => {
    const { epoch, phase, accepted } = viewOwner(owner);
    const isFirst = epoch === 1 && phase !== 'routing' && phase !== 'done';
    const isWithoutToken = accepted === owner.request.acceptedIds.length;
    return isFirst && isWithoutToken && beginsWith(digests, owner.pages);
  });
  if (reading.length === 0) return false;
  const pages = Math.max(...reading.map(({ owner }) => owner.pages.length));
  const known = knownPrefixes(state, waiting).map(({ positions }) => positions / pagePositions);
  return pages > Math.max(0, ...known);
}

/** The session's places have computed its prompt, or all of its answer, too. */
export function rememberRoute(turn: Turn, { owner, plan }: SessionRecord): void {
  const digests = ownerPages(owner);
  if (!plan || digests.length === 0) return;
  const { places, wireDtype } = plan;
  const others = turn.state.prefixRoutes.filter(
    (each) =>
      each.wireDtype !== wireDtype ||
      !isSame(each.places, places) ||
      !beginsWith(digests, each.digests),
  );
  const prefixRoutes = [...others, { digests, places, wireDtype }].slice(
    -ORCHESTRATOR.prefixRoutesMax,
  );
  let pages = prefixRoutes.reduce((sum, each) => sum + each.digests.length, 0);
  while (pages > ORCHESTRATOR.prefixPagesMax)
    pages -= prefixRoutes.shift()?.digests.length ?? pages;
  update(turn, { prefixRoutes });
}

/** A node's work was wrong: pages that may rest on it are asked for no more (M7). */
export function distrustPages(turn: Turn): void {
  const queue = turn.state.queue.map((waiting) => ({ ...waiting, pages: null }));
  update(turn, { prefixAge: turn.state.prefixAge + 1, prefixRoutes: [], queue });
}

function knownPrefixes(state: OrchestratorState, { pages, request }: Waiting): KnownRoute[] {
  if (!pages) return [];
  const promptPositions = request.promptIds.length + request.acceptedIds.length;
  return state.prefixRoutes.flatMap(({ digests, places, wireDtype }) => {
    const shared = sharedPages(digests, pages.digests);
    if (shared === 0) return [];
    const answerTokens = request.maxTokens;
    const positions = shared * pagePositions;
    return { places, wireDtype, positions, promptPositions, answerTokens };
  });
}

/** Each name stands for all before it: the first difference is the last. */
function sharedPages(a: readonly string[], b: readonly string[]): number {
  const end = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < end && a[shared] === b[shared]) shared += 1;
  return shared;
}

/** False where there is nothing to begin with. */
const beginsWith = (digests: readonly string[], start: readonly string[]): boolean =>
  start.length > 0 && digests[start.length - 1] === start.at(-1);

const isSame = (a: readonly PlannedPlace[], b: readonly PlannedPlace[]): boolean =>
  a.length === b.length &&
  a.every(({ node, incarnation, range }, at) => {
    const other = b[at];
    return (
      node === other?.node &&
      incarnation === other.incarnation &&
      range.first === other.range.first &&
      range.last === other.range.last
    );
  });

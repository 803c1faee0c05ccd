import { FaultError, type FaultCode } from '#lib/kernel/errors.ts';
import type { TokenLogprobs } from '#lib/webgpu/sampling/logprobs.ts';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type {
  AnswerEvent,
  AnswerRequest,
  Answers,
  ClusterView,
  RouteView,
} from '#server/orchestrator/answers.ts';
import { bytesOf, BYTE_EOS, BYTE_MODEL } from './byte-model.ts';

/** The in-memory twin of the orchestrator: a test says what happens, token by token. */
export class MemoryAnswers implements Answers {
  readonly sessions: MemorySession[] = [];
  /** Called for every new session; nothing by itself. */
  onStart: (session: MemorySession) => void = () => undefined;
  refusal: FaultCode | null = null;
  uncovered: ClusterView['uncovered'] = [];
  queuedMax = 16;
  queued = 0;

  start(request: AnswerRequest, onEvent: (event: AnswerEvent) => void) {
    if (this.refusal) throw new FaultError(this.refusal, 'refused by the twin');
    const session = new MemorySession(request, onEvent, this.sessions.length);
    this.sessions.push(session);
    this.onStart(session);
    return session;
  }

  /** The newest session. */
  get last(): MemorySession {
    return this.sessions.at(-1)!;
  }

  get running(): number {
    return this.sessions.filter((session) => session.open).length;
  }

  load() {
    return { running: this.running, queued: this.queued, queuedMax: this.queuedMax };
  }

  view(): ClusterView {
    return {
      nodes: [],
      routes: [{ model: BYTE_MODEL.id, places: routeView(1, 0).places }],
      sessions: this.running,
      queued: this.queued,
      relayedBytes: 0,
      uncovered: this.uncovered,
    };
  }
}

export class MemorySession {
  readonly request: AnswerRequest;
  readonly session: SessionId;
  readonly #onEvent: (event: AnswerEvent) => void;
  #next: number;
  cancelled = 0;
  open = true;

  constructor(request: AnswerRequest, onEvent: (event: AnswerEvent) => void, count: number) {
    this.request = request;
    this.#onEvent = onEvent;
    this.#next = request.acceptedIds.length;
    this.session = count.toString(16).padStart(32, '0') as SessionId;
  }

  cancel(): void {
    this.cancelled += 1;
    if (!this.open) return;
    this.open = false;
    this.#onEvent({ type: 'cancelled' });
  }

  emit(event: AnswerEvent): void {
    if (event.type === 'lost' || (event.type === 'token' && event.finish)) this.open = false;
    this.#onEvent(event);
  }

  route(epoch = 1, cause: string | null = null): void {
    this.emit({ type: 'route', route: routeView(epoch, this.#next, cause) });
  }

  /** One token; the answer ends at EOS or at `maxTokens`, as the last stage does it. */
  token(id: number, logprobs?: TokenLogprobs): void {
    const index = this.#next;
    this.#next += 1;
    const stop = this.request.eosIds.includes(id);
    const length = this.#next === this.request.maxTokens;
    const finish = stop ? 'stop' : length ? 'length' : null;
    this.emit({ type: 'token', index, id, finish, ...(logprobs && { logprobs }) });
  }

  /** The bytes of `text` one by one, as long as the answer is open. */
  say(text: string): void {
    for (const id of bytesOf(text)) if (this.open) this.token(id);
  }

  /** The answer ends as the model ends it, whatever the request says of EOS. */
  end(): void {
    if (!this.open) return;
    this.emit({ type: 'token', index: this.#next, id: BYTE_EOS, finish: 'stop' });
  }

  lose(): void {
    this.emit({ type: 'lost', fault: new FaultError('session/lost', 'no node went on') });
  }
}

export const routeView = (
  epoch: number,
  atIndex: number,
  cause: string | null = null,
): RouteView => ({
  epoch,
  atIndex,
  cause,
  places: [
    {
      node: (epoch === 1 ? 'a' : 'c').repeat(64) as NodeId,
      kind: 'tab',
      firstLayer: 0,
      lastLayer: 14,
      path: 'direct',
    },
    {
      node: 'b'.repeat(64) as NodeId,
      kind: 'node',
      firstLayer: 15,
      lastLayer: 29,
      path: 'relay',
    },
  ],
});

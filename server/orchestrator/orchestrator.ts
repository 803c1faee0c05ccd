import { randomBytes, randomInt } from 'node:crypto';
import { unreachable } from '#lib/kernel/assert.ts';
import { toFault } from '#lib/kernel/errors.ts';
import type { SessionId } from '#lib/kernel/ids.ts';
import { systemClock, type Clock } from '#lib/kernel/ports.ts';
import type { Numerics } from '#lib/webgpu/model.ts';
import { placementModel } from '#lib/shard/placement/core.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import type { WireDtype } from '#lib/shard/wire/session-messages.ts';
import type { NodeHub } from '#server/signaling/hub.ts';
import { AckLine } from './ack-line.ts';
import type { AnswerEvent, Answers } from './answers.ts';
import { stepOrchestrator } from './core.ts';
import type { OrchestratorInput, OrchestratorOutput } from './events.ts';
import type { AnswerChecker } from './known-answer-checker.ts';
import { ORCHESTRATOR } from './limits.ts';
import { inUse } from './links.ts';
import type { Log } from './log.ts';
import { refusalOf } from './queue.ts';
import { createState, type OrchestratorState } from './state.ts';
import { viewCluster } from './view.ts';

export interface OrchestratorOptions {
  readonly hub: NodeHub;
  readonly manifest: Manifest;
  readonly checker: AnswerChecker;
  readonly log: Log;
  readonly minStages?: number;
  readonly numerics?: Numerics;
  /** `f32` where it is left out. */
  readonly wireDtype?: WireDtype | 'measured';
  /** Most ids guessed for one step, where that pays; `RING.draftsMax` where it is left out. */
  readonly draftsMax?: number;
  readonly clock?: Clock;
}

export interface Orchestrator extends Answers {
  /** Ends every session, tells its nodes, and stops. */
  close(): void;
}

/** One cluster, one model: joins the pure core to its hub, its clock and its readers. */
export function createOrchestrator(options: OrchestratorOptions): Orchestrator {
  return new OrchestratorShell(options);
}

class OrchestratorShell implements Orchestrator {
  readonly #hub: NodeHub;
  readonly #checker: AnswerChecker;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #listeners = new Map<SessionId, (event: AnswerEvent) => void>();
  readonly #inbox: OrchestratorInput[] = [];
  readonly #timer: NodeJS.Timeout;
  readonly #acks: AckLine;
  #state: OrchestratorState;
  #stepping = false;

  constructor(options: OrchestratorOptions) {
    this.#hub = options.hub;
    this.#checker = options.checker;
    this.#log = options.log;
    const { ackWaitMs: waitMs, ackTokensMax: countMax } = ORCHESTRATOR;
    this.#acks = new AckLine({ waitMs, countMax }, (node, incarnation, message) => {
      this.#hub.send(node, incarnation, { type: 'session', message });
    });
    this.#clock = options.clock ?? systemClock;
    const { manifest } = options;
    const config = {
      modelId: manifest.id,
      manifest: manifestHash(manifest),
      model: placementModel(manifest),
      minStages: options.minStages ?? 1,
      numerics: options.numerics ?? defaultNumerics(manifest),
      wireDtype: options.wireDtype ?? 'f32',
      draftsMax: options.draftsMax ?? RING.draftsMax,
      seed: randomInt(2 ** 32),
    };
    this.#state = createState(config, this.#clock.now());
    this.#hub.onEvent((event) => this.#feed({ type: 'hub', event }));
    this.#hub.setRelayRule((from, to) => inUse(this.#state, from, to));
    this.#timer = setInterval(() => this.#feed({ type: 'tick' }), ORCHESTRATOR.tickEveryMs);
  }

  start: Answers['start'] = (request, onEvent) => {
    const refusal = refusalOf(this.#state, request);
    if (refusal) throw refusal;
    const session = randomBytes(16).toString('hex') as SessionId;
    this.#listeners.set(session, onEvent);
    this.#feed({ type: 'start', session, request });
    return { session, cancel: () => this.#feed({ type: 'cancel', session }) };
  };

  view: Answers['view'] = () => viewCluster(this.#state, this.#hub.relayedBytes());

  load: Answers['load'] = () => ({
    running: this.#state.sessions.size,
    queued: this.#state.queue.length,
    queuedMax: ORCHESTRATOR.queueMax,
  });

  close(): void {
    clearInterval(this.#timer);
    const waiting = this.#state.queue.map((request) => request.session);
    for (const session of [...waiting, ...this.#state.sessions.keys()]) {
      this.#feed({ type: 'cancel', session });
    }
    this.#acks.close();
    this.#checker.close();
  }

  /** An output may come back as an input at once (a fenced socket closes): inputs wait in line. */
  #feed(input: OrchestratorInput): void {
    this.#inbox.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inbox.shift(); next; next = this.#inbox.shift()) {
        const [state, outputs] = stepOrchestrator(this.#state, next, this.#clock.now());
        this.#state = state;
        for (const output of outputs) this.#perform(output);
      }
    } finally {
      this.#stepping = false;
    }
  }

  #perform(output: OrchestratorOutput): void {
    switch (output.type) {
      case 'send':
        return this.#send(output);
      case 'introduce':
        return this.#hub.introduce(output.a, output.b, { relayOnly: output.relayOnly });
      case 'part':
        return this.#hub.part(output.a, output.b);
      case 'fence':
        return this.#hub.fence(output.node, output.incarnation, output.reason);
      case 'expect':
        void this.#recompute(output);
        return;
      case 'event':
        return this.#tell(output.session, output.event);
      case 'log':
        return this.#log.write(output.entry);
      default:
        return unreachable(output);
    }
  }

  /** Without a socket just now: what matters is said again when it is back (S4). */
  #send({ node, incarnation, message }: Extract<OrchestratorOutput, { type: 'send' }>): void {
    if (message.type === 'session' && message.message.type === 'ack') {
      this.#acks.add(node, incarnation, message.message);
      return;
    }
    this.#acks.flush(node);
    this.#hub.send(node, incarnation, message);
  }

  async #recompute({ question }: Extract<OrchestratorOutput, { type: 'expect' }>) {
    const rows = ORCHESTRATOR.knownRows;
    const result = await this.#checker.expect({ ...question, rows }).then(
      (answer) => ({ answer }),
      (error: unknown) => ({ fault: toFault(error, 'engine/lost').code }),
    );
    this.#feed({ type: 'expected', question, result });
  }

  /** In a microtask: a reader hears nothing before `start` has given it the answer's handle. */
  #tell(session: SessionId, event: AnswerEvent): void {
    const listener = this.#listeners.get(session);
    if (!listener) return;
    if (isLast(event)) this.#listeners.delete(session);
    queueMicrotask(() => listener(event));
  }
}

const isLast = (event: AnswerEvent): boolean =>
  event.type === 'cancelled' ||
  event.type === 'lost' ||
  (event.type === 'token' && event.finish !== null);

/** `int16` where the weights have 4 or 8 bits, else fp32 activations (decision 3). */
const defaultNumerics = (manifest: Manifest): Numerics =>
  manifest.quantisation === 'F32' || manifest.quantisation === 'F16' ? 'exact' : 'int16';

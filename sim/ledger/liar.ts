import { toHex } from '#lib/kernel/bytes.ts';
import type { Random } from '#lib/kernel/random.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Message } from '#lib/ledger/pbft/messages/message.ts';
import { signedBytes } from '#lib/ledger/pbft/messages/signing.ts';
import { viewChangeBody } from '#lib/ledger/pbft/messages/view-change.ts';
import type { Application } from '#lib/ledger/pbft/types.ts';
import { Fuzz } from './fuzz.ts';
import type { Node } from './node.ts';
import type { Scenario } from './scenario.ts';

/** What one receiver gets in the place of a message, and how much later. */
export interface Lie {
  readonly message: Message;
  readonly delayMs: number;
  /** Its last byte is missing: no message at all. */
  readonly isTorn?: boolean;
}

/** Stands between an honest core and the world: what faulty replicas do otherwise. */
export class Liar {
  private readonly random: Random;
  private readonly scenario: Scenario;
  private readonly fuzz: Fuzz;
  private readonly censored = new Set<string>();

  constructor(random: Random, scenario: Scenario, again: (name: string) => Signer) {
    this.random = random;
    this.scenario = scenario;
    this.fuzz = new Fuzz(random, again);
  }

  overhears(message: Message): void {
    this.fuzz.overhears(message);
  }

  /** What `to` gets of it: nothing, the same, or something else. */
  says(from: Node, to: Node, message: Message): readonly Lie[] {
    const honest = [{ message, delayMs: 0 }];
    switch (from.role) {
      case 'fuzz':
        return this.fuzzed(from, message);
      case 'slow': {
        const isSlow = message.type === 'pre-prepare' && message.vote.replica === from.state.self;
        return [{ message, delayMs: isSlow ? SLOW * this.scenario.timeoutMs : 0 }];
      }
      case 'partial': {
        // Just enough to prepare, then nothing: what it proposed must come from the others.
        const { length } = from.state.constitution.members;
        const isNear = (to.index - from.index + length) % length <= length / 2;
        const isProposal = message.type === 'pre-prepare' || message.type === 'body';
        return isProposal && !isNear ? [] : honest;
      }
      default:
        return honest;
    }
  }

  private fuzzed(from: Node, message: Message): readonly Lie[] {
    const { random } = this;
    if (random.chance(TORN)) return [{ message, delayMs: 0, isTorn: true }];
    if (!random.chance(SELDOM.has(message.type) ? FUZZED_SELDOM : FUZZED))
      return [{ message, delayMs: 0 }];
    const lies = [{ message: this.fuzz.changed(from, message), delayMs: 0 }];
    // The primary votes a second time for its own proposal.
    if (message.type === 'pre-prepare' && message.vote.replica === from.state.self)
      lies.push({ message: this.fuzz.prepare(from, message.vote), delayMs: 0 });
    return random.chance(0.5) ? [...lies, { message, delayMs: 0 }] : lies;
  }

  /** What it says without being asked: a cut-off replica that leaves view after view. */
  unasked(node: Node): readonly Message[] {
    const { state, env } = node;
    if (node.role !== 'spam' || state.self < 0 || !this.random.chance(0.3)) return [];
    const body = {
      type: 'view-change' as const,
      ...{ epoch: state.constitution.epoch, replica: state.self, prepared: [] },
      view: state.view + 1 + this.random.below(3),
      checkpoint: { epoch: state.constitution.epoch, ...state.base, seals: [] },
    };
    const bytes = signedBytes('view-change', env.chain, viewChangeBody(body));
    return [{ ...body, signature: env.signer.sign(bytes) }];
  }

  /** Against the clock of the world. */
  skewOf({ role, skewMs }: Node, nowMs: number): number {
    if (role !== 'clock') return skewMs;
    switch (this.scenario.clock) {
      case 'frozen':
        return -nowMs;
      case 'racing':
        return nowMs / 2;
      case 'backwards':
        return -2 * nowMs;
      case 'ahead':
        return 1_950;
    }
  }

  censors(request: Uint8Array): void {
    this.censored.add(nameOf(request));
  }

  censoring(application: Application): Application {
    return {
      ...application,
      admits: (state, request, door) =>
        !this.censored.has(nameOf(request)) && application.admits(state, request, door),
    };
  }
}

const FUZZED = 0.15;
const FUZZED_SELDOM = 0.5;
const TORN = 0.01;
/** What is said so seldom that most of it should be wrong. */
const SELDOM: ReadonlySet<Message['type']> = new Set(['state', 'parts', 'view-change', 'new-view']);
const SLOW = 0.9;

const nameOf = (request: Uint8Array): string => toHex(request.subarray(-64));

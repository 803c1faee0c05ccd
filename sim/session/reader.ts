import type { ManifestHash, SessionId } from '#lib/kernel/ids.ts';
import type { OwnerOutput, RoutePlan, SessionRequest } from '#lib/shard/session/types.ts';
import { TIMES } from '#lib/shard/wire/limits.ts';
import {
  draftsMaxOf,
  PAGE_POSITIONS,
  saidHash,
  sampleId,
  saltOf,
  samplingOf,
  WholeModel,
} from './fake-engine.ts';
import { SimFailure, type Check } from './failure.ts';
import type { Ground } from './ground.ts';
import type { SessionDraw } from './scenario.ts';
import { beforeStop, textOf } from './text.ts';

type Outcome = Extract<OwnerOutput, { type: 'done' }>['outcome'];
type Accepted = Extract<OwnerOutput, { type: 'accept' }>;

/** 4 × predicted, and twice that again, take longer than an answer is waited for (V1, S13). */
const isTooSlowToRetry = ({ roundMs, chunkMs, loadMs }: RoutePlan): boolean =>
  (1 + 2) * (4 * Math.max(roundMs, chunkMs) + loadMs) > TIMES.lostAnswerMs;

interface ReaderWorld extends Ground {
  readonly office: { readonly readers: readonly Reader[]; cancel(reader: Reader): void };
}

/** Who asked; checks each token against the model run in one place over what came before it. */
export class Reader {
  readonly name: string;
  readonly ids: number[] = [];
  outcome: Outcome | null = null;
  endedAt = Infinity;
  private readonly draw: SessionDraw;
  private readonly world: ReaderWorld;
  private readonly model: WholeModel;
  /** When it asked, or read a token last. */
  private readAt: number;
  /** Predicted round of its first route, and of the slowest. */
  private firstRoundMs: number | null = null;
  private slowestRoundMs = 0;
  private hidden = 0;
  private finish: 'stop' | 'length' | null = null;
  /** What the reader sees, and all that the accepted ids say. */
  private shown = '';
  private said = '';
  private readonly stops: InstanceType<Ground['core']['StopMatcher']>;
  private isStopped = false;

  constructor(world: ReaderWorld, draw: SessionDraw) {
    this.world = world;
    this.draw = draw;
    this.readAt = world.timeline.now;
    this.name = `r${world.office.readers.length}`;
    this.stops = new world.core.StopMatcher(draw.stops);
    this.model = new WholeModel(world.scenario.layers);
    for (const id of draw.promptIds) this.hidden = this.model.forward(id);
  }

  get ended(): boolean {
    return this.outcome !== null;
  }

  requestFor(session: SessionId, manifest: ManifestHash): SessionRequest {
    const { promptIds, maxTokens, eosIds, seed } = this.draw;
    const sampling = samplingOf(seed);
    const prefix = this.draw.prefix && {
      ...this.draw.prefix,
      pagePositions: PAGE_POSITIONS,
      // Who remembers no session with this beginning says so, right or wrong.
      mayHit: this.world.random.chance(0.9),
    };
    return {
      session,
      manifest,
      promptIds,
      acceptedIds: [...this.ids],
      maxTokens,
      sampling,
      grammar: null,
      eosIds,
      draftsMax: draftsMaxOf(seed),
      ...(prefix && { prefix }),
    };
  }

  /** The prompt of who goes on from here: all that was said, then its own ids. */
  continued(draw: SessionDraw): SessionDraw {
    return { ...draw, promptIds: [...this.draw.promptIds, ...this.ids, ...draw.promptIds] };
  }

  routed({ roundMs }: RoutePlan): void {
    this.firstRoundMs ??= roundMs;
    this.slowestRoundMs = Math.max(this.slowestRoundMs, roundMs);
  }

  /** What slower routes than the first may have cost. */
  get detourMs(): number {
    return this.ids.length * (this.slowestRoundMs - (this.firstRoundMs ?? 0));
  }

  accept({ index, id, finish }: Accepted, at: { session: SessionId; epoch: number }): void {
    this.world.log(() => `${this.name} reads #${index} id ${id}`, id);
    if (this.outcome || this.finish) this.wrong('reads past its end');
    if (index !== this.ids.length) this.wrong(`got #${index}, #${this.ids.length} is next`);
    const salt = this.world.scenario.salted ? saltOf(at.session, at.epoch) : 0;
    const history = { promptIds: [...new Set(this.draw.promptIds)], answerIds: this.ids };
    const said = saidHash(samplingOf(this.draw.seed), history);
    const expected = sampleId(this.hidden, { seed: this.draw.seed, index, salt, said });
    if (id !== expected) this.wrong(`#${index} is ${id}, not ${expected}`);
    this.ids.push(id);
    this.readAt = this.world.timeline.now;
    this.hidden = this.model.forward(id);
    if (finish !== this.finishOf(id)) this.wrong(`#${index} ends by ${finish ?? 'nothing'}`);
    this.finish = finish;
    this.show(textOf(id));
  }

  /** As the gateway: text up to a stop string, which ends the answer. */
  private show(text: string): void {
    if (this.isStopped) return;
    this.said += text;
    const { emit, stopped } = this.stops.push(text);
    this.shown += emit;
    if (!stopped) return;
    this.isStopped = true;
    this.world.count('answer stopped by a string');
    this.world.timeline.in(0, () => {
      this.world.office.cancel(this);
    });
  }

  /** `plan`: the route it last ran on. */
  done(outcome: Outcome, plan: RoutePlan | null): void {
    this.world.log(() => `${this.name} ${outcome.kind}`);
    if (this.outcome) this.wrong('ends twice');
    this.outcome = outcome;
    this.endedAt = this.world.timeline.now;
    this.world.count(`answer ${outcome.kind}`);
    if (outcome.kind === 'finished' && !this.finish) this.wrong('is called finished too early');
    this.checkText();
    if (outcome.kind !== 'lost') return;
    if (this.world.scenario.mayFail) {
      this.world.count('answer lost to a liar');
      return;
    }
    // However bad it was: all trouble passes, and nodes were always there again within seconds.
    const isWaited = this.endedAt - this.readAt >= TIMES.lostAnswerMs - 1;
    if (isWaited && plan && isTooSlowToRetry(plan))
      this.world.count('answer lost, no time for two deadlines');
    else throw new SimFailure('lost', `${this.name}: ${outcome.code}`);
  }

  private checkText(): void {
    if (!this.isStopped) this.shown += this.stops.flush();
    const expected = beforeStop(this.said, this.draw.stops);
    if (this.shown !== expected) this.wrong(`shows "${this.shown}", not "${expected}"`, 'text');
  }

  private finishOf(id: number): 'stop' | 'length' | null {
    if (this.draw.eosIds.includes(id)) return 'stop';
    return this.ids.length >= this.draw.maxTokens ? 'length' : null;
  }

  private wrong(what: string, check: Check = 'token'): never {
    throw new SimFailure(check, `${this.name} ${what}`);
  }
}

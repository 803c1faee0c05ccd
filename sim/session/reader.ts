import type { ManifestHash, SessionId } from '#lib/kernel/ids.ts';
import type { OwnerOutput, SessionRequest } from '#lib/shard/session/types.ts';
import { wholeAnswer } from './fake-engine.ts';
import { SimFailure } from './failure.ts';
import type { SessionDraw } from './scenario.ts';
import type { World } from './world.ts';

type Outcome = Extract<OwnerOutput, { type: 'done' }>['outcome'];

/** Who asked; checks each token against the answer that an undisturbed model gives. */
export class Reader {
  readonly name: string;
  readonly ids: number[] = [];
  outcome: Outcome | null = null;
  readonly expected: readonly number[];
  private readonly draw: SessionDraw;
  private readonly world: World;
  private finish: 'stop' | 'length' | null = null;

  constructor(world: World, draw: SessionDraw) {
    this.world = world;
    this.draw = draw;
    this.name = `r${world.office.readers.length}`;
    const isEnd = (ids: readonly number[]): boolean =>
      ids.length >= draw.maxTokens || draw.eosIds.includes(ids.at(-1) ?? -1);
    const model = { layers: world.scenario.layers, seed: draw.seed };
    this.expected = wholeAnswer(model, draw.promptIds, isEnd);
  }

  get ended(): boolean {
    return this.outcome !== null;
  }

  requestFor(session: SessionId, manifest: ManifestHash): SessionRequest {
    const { promptIds, maxTokens, eosIds, seed } = this.draw;
    const sampling = { temperature: 0, topK: 0, topP: 1, seed, choice: 0 };
    return {
      session,
      manifest,
      promptIds,
      acceptedIds: [...this.ids],
      maxTokens,
      sampling,
      eosIds,
    };
  }

  accept({ index, id, finish }: Extract<OwnerOutput, { type: 'accept' }>): void {
    this.world.log(`${this.name} reads #${index} id ${id}`);
    if (this.outcome || this.finish)
      throw new SimFailure('token', `${this.name} reads past its end`);
    if (index !== this.ids.length) {
      throw new SimFailure('token', `${this.name} got #${index}, #${this.ids.length} is next`);
    }
    if (id !== this.expected[index]) {
      throw new SimFailure(
        'token',
        `${this.name} #${index} is ${id}, not ${this.expected[index] ?? 'an end'}`,
      );
    }
    this.ids.push(id);
    this.finish = finish;
  }

  done(outcome: Outcome): void {
    this.world.log(`${this.name} ${outcome.kind}`);
    if (this.outcome) throw new SimFailure('token', `${this.name} ends twice`);
    this.outcome = outcome;
    this.world.count(
      outcome.kind === 'lost' ? `answer lost: ${outcome.code}` : `answer ${outcome.kind}`,
    );
    if (outcome.kind === 'finished' && this.ids.length !== this.expected.length) {
      throw new SimFailure('token', `${this.name} ends after ${this.ids.length} tokens`);
    }
  }
}

import { logprobsOf } from '../sampling/logprobs.ts';
import type { Penalties, SamplingParams, TokenHistory } from '../sampling/params.ts';
import { countsOf } from '../sampling/penalise.ts';
import { uniformAt, type SamplePoint } from '../sampling/sample.ts';
import type { Sampled } from '../stage.ts';
import type { Arena } from './arena.ts';
import type { Kernels } from './kernels.ts';
import { CPU_LIMITS } from './limits.ts';

const { changedIdsMax } = CPU_LIMITS;

/**
 * `chooseAt` of `../choose.ts` where the logits lie: penalties, grammars, top-k and the draw are
 * computed by kernels, to the bit (S8). Logits leave the memory only where log probabilities are
 * asked for.
 */
export class KernelSampler {
  readonly #kernels: Kernels;
  readonly #arena: Arena;
  readonly #vocab: number;
  /** What `sample` works with: 16 bytes an id. */
  readonly #scratch: number;
  /** Ids to change, by how much, and the ids that may come. */
  readonly #ids: number;
  readonly #amounts: number;
  readonly #mask: number;

  constructor(kernels: Kernels, arena: Arena, vocab: number) {
    this.#kernels = kernels;
    this.#arena = arena;
    this.#vocab = vocab;
    this.#scratch = arena.allocate(16 * vocab);
    this.#ids = arena.allocate(4 * changedIdsMax);
    this.#amounts = arena.allocate(8 * changedIdsMax);
    this.#mask = arena.allocate(4 * Math.ceil(vocab / 32));
  }

  /** Of the row of logits [vocab] at `logits`, which are changed. */
  chooseAt(logits: number, params: SamplingParams, point: SamplePoint): Sampled {
    const { logprobs, penalties } = params;
    const own = logprobs === null ? null : this.#arena.floatsAt(logits, this.#vocab).slice();
    if (penalties) this.#penalise(logits, penalties, point.history);
    if (point.allowed) this.#forbid(logits, point.allowed);
    const id = this.#sample(logits, params, point);
    if (own === null || logprobs === null) return { id };
    return { id, logprobs: logprobsOf(own, id, logprobs) };
  }

  #sample(logits: number, params: SamplingParams, point: SamplePoint): number {
    const { temperature, topK, topP, minP, typicalP } = params;
    const draw = temperature > 0 ? uniformAt(params, point) : 0;
    const of = [temperature, topK, topP, minP, typicalP, draw] as const;
    return this.#kernels.sample(logits, this.#vocab, this.#scratch, ...of);
  }

  #penalise(logits: number, penalties: Penalties, { promptIds, answerIds }: TokenHistory): void {
    const { repetition, presence, frequency, bias } = penalties;
    const [row, ids, amounts] = [[logits, this.#vocab] as const, this.#ids, this.#amounts];
    this.#inParts(bias, (count) => {
      this.#kernels.biasLogits(...row, ids, amounts, count);
    });
    if (repetition !== 1) {
      const said = [...new Set([...promptIds, ...answerIds])].map((id) => [id, 0] as const);
      this.#inParts(said, (count) => {
        this.#kernels.punishRepeats(...row, ids, count, repetition);
      });
    }
    if (presence === 0 && frequency === 0) return;
    this.#inParts([...countsOf(answerIds)], (count) => {
      this.#kernels.punishPresent(...row, ids, amounts, count, presence, frequency);
    });
  }

  /** Writes ids and their amounts to memory, as many at a time as there is room for. */
  #inParts(changes: readonly (readonly [number, number])[], apply: (count: number) => void): void {
    for (let from = 0; from < changes.length; from += changedIdsMax) {
      const part = changes.slice(from, from + changedIdsMax);
      this.#arena.wordsAt(this.#ids, part.length).set(part.map(([id]) => id));
      this.#arena.doublesAt(this.#amounts, part.length).set(part.map(([, amount]) => amount));
      apply(part.length);
    }
  }

  /** Ids past the mask are forbidden, too. */
  #forbid(logits: number, allowed: Uint32Array): void {
    const words = this.#arena.wordsAt(this.#mask, Math.ceil(this.#vocab / 32));
    words.fill(0);
    words.set(allowed.subarray(0, words.length));
    this.#kernels.forbidOthers(logits, this.#vocab, this.#mask);
  }
}

import { FaultError } from '#lib/kernel/errors.ts';
import type { TensorName, TensorType } from '#lib/webgpu/model.ts';
import type { SourceType } from './source-types.ts';

/** What rounding cost all tensors of one name that went the same way. */
export interface TensorLoss {
  readonly tensor: TensorName;
  readonly from: SourceType;
  readonly to: TensorType;
  /** Root of the summed squared errors over that of the summed squares. */
  readonly relativeRms: number;
}

export interface LossReport {
  readonly tensors: readonly TensorLoss[];
  /** Of everything converted, together; 0 where nothing was. */
  readonly relativeRms: number;
}

interface Sums {
  errors: number;
  squares: number;
}

/** Adds up errors while tensors are converted. */
export class LossMeter {
  readonly #sums = new Map<string, Sums & Omit<TensorLoss, 'relativeRms'>>();

  /**
   * @throws FaultError `package/malformed` where values are no numbers or beyond the format.
   */
  add(what: Omit<TensorLoss, 'relativeRms'>, values: Float32Array, stored: Float32Array): void {
    let [errors, squares] = [0, 0];
    for (let i = 0; i < values.length; i += 1) {
      const value = values[i] ?? 0;
      const error = value - (stored[i] ?? 0);
      errors += error * error;
      squares += value * value;
    }
    if (!Number.isFinite(errors + squares)) {
      const message = `${what.tensor}: a value that ${what.to} cannot hold, or no number`;
      throw new FaultError('package/malformed', message);
    }
    const key = `${what.tensor} ${what.from} ${what.to}`;
    const sums = this.#sums.get(key) ?? { ...what, errors: 0, squares: 0 };
    sums.errors += errors;
    sums.squares += squares;
    this.#sums.set(key, sums);
  }

  report(): LossReport {
    const all = [...this.#sums.values()];
    const whole = { errors: 0, squares: 0 };
    for (const { errors, squares } of all) {
      whole.errors += errors;
      whole.squares += squares;
    }
    const tensors = all.map(({ tensor, from, to, ...sums }) => ({
      tensor,
      from,
      to,
      relativeRms: relativeRms(sums),
    }));
    return { tensors, relativeRms: relativeRms(whole) };
  }
}

const relativeRms = ({ errors, squares }: Sums): number =>
  squares === 0 ? 0 : Math.sqrt(errors / squares);

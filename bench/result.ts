import { cpus } from 'node:os';

/** What a benchmark found, and the bars it is held to; each bar is a ratio against a peer or a limit. */
export interface Bar {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** As people read it: `≥ 4`, `≤ 0.25`. */
  readonly bar: string;
  readonly ok: boolean;
}

export interface BenchResult {
  readonly name: string;
  readonly machine: string;
  readonly figures: Readonly<Record<string, number | string>>;
  readonly bars: readonly Bar[];
}

export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${cpus().length} × ${model}, Node ${process.versions.node}`;
}

const rounded = (value: number): number => Number(value.toPrecision(4));

export const atLeast = (what: string, value: number, bar: { min: number; unit: string }): Bar => ({
  what,
  value: rounded(value),
  unit: bar.unit,
  bar: `≥ ${bar.min}`,
  ok: value >= bar.min,
});

export const atMost = (what: string, value: number, bar: { max: number; unit: string }): Bar => ({
  what,
  value: rounded(value),
  unit: bar.unit,
  bar: `≤ ${rounded(bar.max)}`,
  ok: value <= bar.max,
});

/** The value in the middle; the mean of the two in the middle of an even count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const high = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[half - 1] ?? high) + high) / 2;
}

/** A table for people. */
export function printable(result: BenchResult): string {
  const figures = Object.entries(result.figures).map(([name, value]) => `  ${name}: ${value}`);
  const bars = result.bars.map(
    (bar) =>
      `  ${bar.ok ? 'met   ' : 'MISSED'} ${bar.what}: ${bar.value} ${bar.unit} (bar ${bar.bar})`,
  );
  return [`${result.name} on ${result.machine}`, ...figures, ...bars, ''].join('\n');
}

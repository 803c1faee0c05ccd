import type { GpuEngineName, ModelShape } from '#lib/webgpu/model.ts';
import type { Interleaved } from './interleave.ts';
import type { CaseResult } from './runner.ts';

/** What a test asks of the worker that has the GPU. One at a time. */
export interface Jobs {
  /** Name of the GPU, null where there is none. */
  readonly adapter: { readonly job: object; readonly result: string | null };
  /** What it computes in. */
  readonly engines: { readonly job: object; readonly result: readonly GpuEngineName[] };
  /** The contract suite's cases whose titles match this pattern. */
  readonly suite: { readonly job: { readonly only: string }; readonly result: CaseResult[] };
  /** Loads a model of the server's as stages that begin at `firsts`; the one before is disposed. */
  readonly load: {
    readonly job: {
      readonly model: string;
      readonly shape: ModelShape;
      readonly firsts: readonly number[];
      readonly engine: GpuEngineName;
    };
    readonly result: null;
  };
  /** Rows of logits of a new session, at `positions`. */
  readonly logits: {
    readonly job: { readonly ids: readonly number[]; readonly positions: readonly number[] };
    readonly result: number[][];
  };
  /** Greedy ids after a prompt, from the one stage that is loaded. */
  readonly greedy: {
    readonly job: { readonly ids: readonly number[]; readonly count: number };
    readonly result: number[];
  };
  /** Sessions by chance, a run for each seed, against the processor. */
  readonly interleave: {
    readonly job: { readonly seeds: readonly number[] };
    readonly result: Interleaved[];
  };
  /**
   * Shaders compiled by warm-up, then by steps of so many rows, twice in a session, and by steps of a
   * row each of so many sessions, greedy and with all logits.
   */
  readonly compiled: {
    readonly job: { readonly rows: readonly number[]; readonly sessions: readonly number[] };
    readonly result: number[];
  };
  /** Opens, fills and closes sessions on the stages that are loaded. */
  readonly sessions: {
    readonly job: { readonly count: number };
    readonly result: {
      /** Of the first stage, before and after. */
      readonly pagesFree: readonly number[];
      readonly memoryBytes: readonly number[];
      /** GPU buffers that are alive after half of the sessions, and after all. */
      readonly buffers: readonly number[];
    };
  };
  /**
   * Destroys the device while the loaded stages compute, `afterMs` after the step began.
   * What that step and the next one reject with.
   */
  readonly lose: {
    readonly job: { readonly ids: readonly number[]; readonly afterMs: number };
    readonly result: string[];
  };
  /** Milliseconds of a step of one greedy row of each of so many sessions: the best of `steps`. */
  readonly decode: {
    readonly job: { readonly sessions: number; readonly past: number; readonly steps: number };
    readonly result: number;
  };
  /** What a step of the stage that is loaded rejects with while this is spoiled, and its KV's length then. */
  readonly spoil: {
    readonly job: { readonly what: 'buffers' | 'shaders'; readonly ids: readonly number[] };
    readonly result: readonly [code: string, length: number];
  };
  /** What loading a stage of this shape rejects with. */
  readonly refusal: { readonly job: { readonly shape: ModelShape }; readonly result: string };
}

export type JobName = keyof Jobs;
export type Order = { [Name in JobName]: { readonly name: Name } & Jobs[Name]['job'] }[JobName];
export type Reply = { readonly result: unknown } | { readonly error: string };

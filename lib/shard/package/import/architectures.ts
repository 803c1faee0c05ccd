import { FaultError } from '#lib/kernel/errors.ts';
import type { ShapeKind } from '#lib/webgpu/model.ts';

/** An architecture of others that computes one of our kinds of layers. */
export interface Architecture {
  readonly kind: ShapeKind;
}

/** `general.architecture`; Mistral and SmolLM2 are converted as `llama`. */
export interface GgufArchitecture extends Architecture {
  /** Rows of Q and K lie as interleaved RoPE wants them (see `rope-rows.ts`). */
  readonly interleaved: boolean;
}
const GGUF: ReadonlyMap<string, GgufArchitecture> = new Map([
  ['llama', { kind: 'llama', interleaved: true }],
  ['qwen2', { kind: 'qwen2', interleaved: false }],
  ['qwen3', { kind: 'qwen3', interleaved: false }],
]);

/** `model_type` of a Hugging Face configuration; SmolLM2 is a `llama`. */
export interface HfArchitecture extends Architecture {
  /** `sliding_window` counts although `use_sliding_window` is not said. */
  readonly windowed: boolean;
  /** Where `head_dim` is not said; hidden ÷ heads if null. */
  readonly headDim: number | null;
}
const HUGGING_FACE: ReadonlyMap<string, HfArchitecture> = new Map([
  ['llama', { kind: 'llama', windowed: false, headDim: null }],
  ['mistral', { kind: 'llama', windowed: true, headDim: null }],
  ['qwen2', { kind: 'qwen2', windowed: false, headDim: null }],
  ['qwen3', { kind: 'qwen3', windowed: false, headDim: 128 }],
]);

function find<T>(table: ReadonlyMap<string, T>, name: string): T {
  const found = table.get(name);
  if (found) return found;
  const known = [...table.keys()].join(', ');
  const message = `architecture ${name.slice(0, 64)}; readable are ${known}`;
  throw new FaultError('package/unsupported', message);
}

/** @throws FaultError `package/unsupported` naming the architecture. */
export const ggufArchitecture = (name: string): GgufArchitecture => find(GGUF, name);

/** @throws FaultError `package/unsupported` naming the architecture. */
export const hfArchitecture = (name: string): HfArchitecture => find(HUGGING_FACE, name);

import * as z from 'zod/mini';
import { FaultError } from '#lib/kernel/errors.ts';
import type { Llama3RopeScaling, ModelShape } from '#lib/webgpu/model.ts';
import { checkShape } from '../layout.ts';
import { PACKAGE } from '../limits.ts';
import { hfArchitecture, type HfArchitecture } from './architectures.ts';
import { unsupported } from './unsupported.ts';

const count = (max: number) => z.number().check(z.int(), z.gte(1), z.lte(max));
const positive = z.number().check(z.positive(), z.lte(1e9));
const name = z.string().check(z.maxLength(200));

/** Old style: `rope_scaling` beside `rope_theta`; new style: all in `rope_parameters`. */
const ropeSchema = z.object({
  rope_type: z.optional(name),
  type: z.optional(name),
  rope_theta: z.optional(positive),
  factor: z.optional(positive),
  low_freq_factor: z.optional(positive),
  high_freq_factor: z.optional(positive),
  original_max_position_embeddings: z.optional(count(PACKAGE.contextMax)),
  partial_rotary_factor: z.optional(z.number()),
});
type RopeSettings = z.infer<typeof ropeSchema>;

const tokenIds = z.nullish(z.union([z.number(), z.array(z.number())]));

export const configSchema = z.object({
  model_type: name,
  num_hidden_layers: count(PACKAGE.layersMax),
  hidden_size: count(PACKAGE.dimensionMax),
  intermediate_size: count(PACKAGE.dimensionMax),
  num_attention_heads: count(1024),
  num_key_value_heads: z.nullish(count(1024)),
  head_dim: z.nullish(count(1024)),
  vocab_size: count(PACKAGE.vocabMax),
  max_position_embeddings: count(PACKAGE.contextMax),
  rms_norm_eps: positive,
  rope_theta: z.nullish(positive),
  rope_scaling: z.nullish(ropeSchema),
  rope_parameters: z.nullish(ropeSchema),
  partial_rotary_factor: z.nullish(z.number()),
  tie_word_embeddings: z.nullish(z.boolean()),
  hidden_act: z.nullish(name),
  attention_bias: z.nullish(z.boolean()),
  mlp_bias: z.nullish(z.boolean()),
  use_sliding_window: z.nullish(z.boolean()),
  sliding_window: z.nullish(z.number()),
  layer_types: z.nullish(z.array(name).check(z.maxLength(PACKAGE.layersMax))),
  quantization_config: z.nullish(z.unknown()),
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
});
export type HfConfig = z.infer<typeof configSchema>;

/** Read first and alone, so that another architecture is refused by name and not by a field. */
export const modelTypeSchema = z.object({ model_type: name });

/**
 * The numbers of a configuration.
 * @throws FaultError `package/unsupported` for what would change the arithmetic, by name.
 */
export function shapeOfConfig(config: HfConfig): ModelShape {
  if (config.attention_bias || config.mlp_bias) throw unsupported('biases');
  const architecture = hfArchitecture(config.model_type);
  refuseWindow(config, architecture);
  const act = config.hidden_act ?? 'silu';
  if (act !== 'silu' && act !== 'swish') throw unsupported(`activation ${act}`);
  if (config.quantization_config) throw unsupported('a quantised Hugging Face folder');
  const rope = ropeSettings(config);
  const shape: ModelShape = {
    kind: architecture.kind,
    layers: config.num_hidden_layers,
    hidden: config.hidden_size,
    heads: config.num_attention_heads,
    kvHeads: config.num_key_value_heads ?? config.num_attention_heads,
    headDim:
      config.head_dim ?? architecture.headDim ?? config.hidden_size / config.num_attention_heads,
    mlp: config.intermediate_size,
    vocab: config.vocab_size,
    contextMax: config.max_position_embeddings,
    rmsEps: config.rms_norm_eps,
    ropeTheta: rope.rope_theta ?? config.rope_theta ?? 10_000,
    ropeScaling: ropeScaling(rope),
    tiedEmbeddings: config.tie_word_embeddings ?? false,
  };
  checkShape(shape);
  return shape;
}

/** A window at least as long as the context hides nothing. */
function refuseWindow(config: HfConfig, { windowed }: HfArchitecture): void {
  const other = config.layer_types?.find((type) => type !== 'full_attention');
  if (other !== undefined) throw unsupported(`layers of ${other}`);
  const window = config.sliding_window ?? Infinity;
  const isUsed = !config.layer_types && (config.use_sliding_window ?? windowed);
  if (!isUsed || window >= config.max_position_embeddings) return;
  const context = config.max_position_embeddings;
  throw unsupported(`sliding-window attention over ${window} of ${context} positions`);
}

/** Readers differ in which style counts where both are there. */
function ropeSettings(config: HfConfig): RopeSettings {
  const { rope_parameters: newStyle, rope_scaling: oldStyle } = config;
  const asked = [newStyle, oldStyle].flatMap((style) => (style ? [ropeScaling(style)] : []));
  if (new Set(asked.map((scaling) => JSON.stringify(scaling))).size > 1) {
    throw unsupported('rope_scaling that differs from rope_parameters');
  }
  const rope = newStyle ?? oldStyle ?? {};
  const rotated = [config.partial_rotary_factor, rope.partial_rotary_factor];
  if (rotated.some((share) => (share ?? 1) !== 1)) throw unsupported('RoPE over a part of a head');
  return rope;
}

function ropeScaling(rope: RopeSettings): Llama3RopeScaling | null {
  const kind = rope.rope_type ?? rope.type ?? 'default';
  if (kind === 'default') return null;
  if (kind !== 'llama3') throw unsupported(`RoPE scaling ${kind}`);
  const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = rope;
  if (!factor || !low_freq_factor || !high_freq_factor || !original_max_position_embeddings) {
    throw new FaultError('package/malformed', 'RoPE scaling llama3 lacks a number');
  }
  if (low_freq_factor >= high_freq_factor) {
    throw new FaultError('package/malformed', 'RoPE scaling llama3: low is not below high');
  }
  return {
    kind: 'llama3',
    factor,
    lowFreqFactor: low_freq_factor,
    highFreqFactor: high_freq_factor,
    originalContext: original_max_position_embeddings,
  };
}

/** One id, several or none as a list. */
export const idList = (ids: number | number[] | null | undefined): number[] =>
  ids === null || ids === undefined ? [] : [ids].flat();

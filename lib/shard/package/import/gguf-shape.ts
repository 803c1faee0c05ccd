import { FaultError } from '#lib/kernel/errors.ts';
import type { ModelShape, ShapeKind } from '#lib/webgpu/model.ts';
import { checkShape } from '../layout.ts';
import { PACKAGE } from '../limits.ts';
import type { GgufMetadata } from './gguf-metadata.ts';
import { unsupported } from './unsupported.ts';

/** Keys of llama.cpp that change the arithmetic wherever they are not 0. */
const VARIANTS: readonly (readonly [key: string, what: string])[] = [
  ['expert_count', 'mixture of experts'],
  ['attention.clamp_kqv', 'clamped queries and keys'],
  ['attention.max_alibi_bias', 'ALiBi'],
  ['attention.scale', 'an attention scale'],
  ['attention.temperature_scale', 'attention temperature'],
  ['attn_logit_softcapping', 'soft-capped attention'],
  ['final_logit_softcapping', 'soft-capped logits'],
  ['logit_scale', 'a logit scale'],
  ['embedding_scale', 'an embedding scale'],
  ['residual_scale', 'a residual scale'],
];

/** A factor whose kind of scaling is not named is of `linear` (llama.cpp): the new key and the old. */
const LINEAR_FACTORS = ['rope.scaling.factor', 'rope.scale_linear'] as const;

/**
 * The numbers of a GGUF file, its RoPE scaling left out (that lies in a tensor).
 * @throws FaultError `package/unsupported` for what would change the arithmetic and is not there,
 *   by name; `package/malformed`, `package/too-large` for numbers that cannot be.
 */
export function ggufShape(
  metadata: GgufMetadata,
  kind: ShapeKind,
  tiedEmbeddings: boolean,
): ModelShape {
  const prefix = metadata.string('general.architecture');
  const key = (name: string): string => `${prefix}.${name}`;
  const dimension = PACKAGE.dimensionMax;
  refuseVariants(metadata, key);
  const hidden = metadata.count(key('embedding_length'), dimension);
  const heads = metadata.count(key('attention.head_count'), 1024);
  const shape: ModelShape = {
    kind,
    layers: metadata.count(key('block_count'), PACKAGE.layersMax),
    hidden,
    heads,
    kvHeads: metadata.count(key('attention.head_count_kv'), 1024, heads),
    headDim: metadata.count(key('attention.key_length'), 1024, hidden / heads),
    mlp: metadata.count(key('feed_forward_length'), dimension),
    vocab: metadata.strings('tokenizer.ggml.tokens').length,
    contextMax: metadata.count(key('context_length'), PACKAGE.contextMax),
    rmsEps: metadata.number(key('attention.layer_norm_rms_epsilon')),
    ropeTheta: metadata.number(key('rope.freq_base'), 10_000),
    ropeScaling: null,
    tiedEmbeddings,
  };
  checkGgufShape(metadata, key, shape);
  return shape;
}

type KeyOf = (name: string) => string;

function checkGgufShape(metadata: GgufMetadata, key: KeyOf, shape: ModelShape): void {
  checkShape(shape);
  if (metadata.number(key('vocab_size'), shape.vocab) !== shape.vocab) {
    throw new FaultError('package/malformed', 'the vocabulary is not as long as it claims');
  }
  const rotated = metadata.number(key('rope.dimension_count'), shape.headDim);
  if (rotated !== shape.headDim) throw unsupported(`RoPE over ${rotated} of ${shape.headDim}`);
  const values = metadata.number(key('attention.value_length'), shape.headDim);
  if (values !== shape.headDim) throw unsupported(`values of ${values}, keys of ${shape.headDim}`);
  const window = metadata.number(key('attention.sliding_window'), shape.contextMax);
  if (window !== 0 && window < shape.contextMax) {
    throw unsupported(`sliding-window attention over ${window} of ${shape.contextMax} positions`);
  }
}

function refuseVariants(metadata: GgufMetadata, key: KeyOf): void {
  if (metadata.number('split.count', 1) > 1) throw unsupported('GGUF split over several files');
  for (const [name, what] of VARIANTS) {
    if (metadata.number(key(name), 0) !== 0) throw unsupported(what);
  }
  const scaling = metadata.optionalString(key('rope.scaling.type'));
  if (scaling !== null && scaling !== 'none') throw unsupported(`RoPE scaling ${scaling}`);
  for (const name of scaling === null ? LINEAR_FACTORS : []) {
    const factor = metadata.number(key(name), 1);
    if (factor !== 0 && factor !== 1) throw unsupported(`RoPE scaling linear by ${factor}`);
  }
  if (metadata.number(key('rope.scaling.attn_factor'), 1) !== 1) {
    throw unsupported('an attention factor of RoPE scaling');
  }
  if (!metadata.boolean(key('attention.causal'), true)) {
    throw unsupported('attention that sees later positions');
  }
}

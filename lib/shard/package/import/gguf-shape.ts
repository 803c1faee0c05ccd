import { FaultError } from '#lib/kernel/errors.ts';
import type { ModelShape } from '#lib/webgpu/model.ts';
import { checkShape } from '../layout.ts';
import { PACKAGE } from '../limits.ts';
import type { GgufMetadata } from './gguf-metadata.ts';

const unsupported = (what: string): FaultError => new FaultError('package/unsupported', what);

/**
 * The numbers of a GGUF file of architecture `llama`.
 * @throws FaultError `package/unsupported` for what would change the arithmetic and is not there
 *   yet, by name; `package/malformed`, `package/too-large` for numbers that cannot be.
 */
export function ggufShape(metadata: GgufMetadata, tiedEmbeddings: boolean): ModelShape {
  const architecture = metadata.string('general.architecture');
  if (architecture !== 'llama') throw unsupported(`architecture ${architecture.slice(0, 64)}`);
  refuseVariants(metadata);
  const dimension = PACKAGE.dimensionMax;
  const hidden = metadata.count('llama.embedding_length', dimension);
  const heads = metadata.count('llama.attention.head_count', 1024);
  const headDim = metadata.count('llama.attention.key_length', 1024, hidden / heads);
  const shape: ModelShape = {
    kind: 'llama',
    layers: metadata.count('llama.block_count', PACKAGE.layersMax),
    hidden,
    heads,
    kvHeads: metadata.count('llama.attention.head_count_kv', 1024, heads),
    headDim,
    mlp: metadata.count('llama.feed_forward_length', dimension),
    vocab: metadata.strings('tokenizer.ggml.tokens').length,
    contextMax: metadata.count('llama.context_length', PACKAGE.contextMax),
    rmsEps: metadata.number('llama.attention.layer_norm_rms_epsilon'),
    ropeTheta: metadata.number('llama.rope.freq_base', 10_000),
    ropeScaling: null,
    tiedEmbeddings,
  };
  checkGgufShape(metadata, shape);
  return shape;
}

function checkGgufShape(metadata: GgufMetadata, shape: ModelShape): void {
  checkShape(shape);
  if (metadata.number('llama.vocab_size', shape.vocab) !== shape.vocab) {
    throw new FaultError('package/malformed', 'the vocabulary is not as long as it claims');
  }
  const rotated = metadata.number('llama.rope.dimension_count', shape.headDim);
  if (rotated !== shape.headDim) throw unsupported(`RoPE over ${rotated} of ${shape.headDim}`);
  const values = metadata.number('llama.attention.value_length', shape.headDim);
  if (values !== shape.headDim) throw unsupported(`values of ${values}, keys of ${shape.headDim}`);
}

function refuseVariants(metadata: GgufMetadata): void {
  if (metadata.number('split.count', 1) > 1) throw unsupported('GGUF split over several files');
  if (metadata.number('llama.expert_count', 0) > 0) throw unsupported('mixture of experts');
  const scaling = metadata.optionalString('llama.rope.scaling.type');
  if (scaling !== null && scaling !== 'none') throw unsupported(`RoPE scaling ${scaling}`);
  if (metadata.has('llama.attention.sliding_window')) throw unsupported('sliding-window attention');
}

import { must } from '#lib/kernel/assert.ts';
import type { TensorName, TensorType } from '#lib/webgpu/model.ts';
import { partOf, type Manifest } from '#lib/shard/package/manifest.ts';

/**
 * In what types a model's tensors are stored, as its first layer has them: what a device is measured
 * with. Its embedding stands for the head, which has one of its own in untied models.
 */
export function storedTypes(manifest: Manifest): (name: TensorName) => TensorType {
  const head = partOf(manifest, manifest.shape.tiedEmbeddings ? 'embedding' : 'head');
  const types = new Map(
    partOf(manifest, 'layer/0').tensors.map(({ name, type }) => [name, type] as const),
  );
  const headType = must(head.tensors[0], 'a part has a tensor').type;
  return (name) => types.get(name) ?? headType;
}

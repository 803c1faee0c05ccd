import { FaultError } from '#lib/kernel/errors.ts';
import type { GatewayParts } from '../../gateway-parts.ts';
import type { ServedModel } from '../../models/directory.ts';

/** @throws FaultError `request/model-not-found`. */
export function findModel({ models }: GatewayParts, id: string): ServedModel {
  const model = models.find(id);
  if (model) return model;
  throw new FaultError('request/model-not-found', `The model '${id}' does not exist.`, {
    details: { param: 'model' },
  });
}

import type { GatewayParts } from '../../gateway-parts.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/respond.ts';
import type { ServedModel } from '../../models/directory.ts';
import { findModel } from './find.ts';

/** `GET /v1/models` */
export function getModels({ models }: GatewayParts, exchange: Exchange): void {
  sendJson(exchange, { object: 'list', data: models.list().map(modelJson) });
}

/** `GET /v1/models/{id}` */
export function getModel(parts: GatewayParts, exchange: Exchange, id: string): void {
  sendJson(exchange, modelJson(findModel(parts, id)));
}

/** A package has no date: its hash, not its age, says which one it is. */
const modelJson = (model: ServedModel) => ({
  id: model.id,
  object: 'model',
  created: 0,
  owned_by: 'declai',
  max_model_len: model.contextMax,
  declai: { name: model.name, licence: model.licence, hash: model.hash, layers: model.layers },
});

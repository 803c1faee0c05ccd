import type { ModelId } from '#lib/kernel/ids.ts';
import type { LayerRange } from '#lib/webgpu/model.ts';
import type { ClusterView } from '#server/orchestrator/answers.ts';
import type { GatewayParts } from '../../gateway-parts.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/respond.ts';
import type { ServedModel } from '../../models/directory.ts';

/** `GET /api/status`: the cluster as its operator and the pages see it. */
export function getStatus({ answers, models }: GatewayParts, exchange: Exchange): void {
  const view = answers.view();
  sendJson(exchange, {
    nodes: view.nodes,
    routes: view.routes,
    sessions: view.sessions,
    queued: view.queued,
    models: models.list().map((model) => modelStatus(model, view)),
    relayedBytes: view.relayedBytes,
  });
}

function modelStatus(model: ServedModel, view: ClusterView) {
  const uncovered = uncoveredOf(model.id, model.layers, view);
  const missing = uncovered.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return {
    id: model.id,
    name: model.name,
    hash: model.hash,
    layers: model.layers,
    context: model.contextMax,
    /** Layers that somebody holds. */
    covered: model.layers - missing,
    uncovered,
  };
}

/** A model that no cluster serves has no holder for any layer. */
function uncoveredOf(id: ModelId, layers: number, view: ClusterView): readonly LayerRange[] {
  const entry = view.uncovered.find(({ model }) => model === id);
  return entry?.ranges ?? [{ first: 0, last: layers - 1 }];
}

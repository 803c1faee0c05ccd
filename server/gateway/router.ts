import { FaultError } from '#lib/kernel/errors.ts';
import type { GatewayParts } from './gateway-parts.ts';
import type { Exchange } from './http/exchange.ts';
import { deleteAnswer, getAnswer } from './doors/answers/route.ts';
import { postChat } from './doors/chat/route.ts';
import { postCompletions } from './doors/completions/route.ts';
import { getHealth } from './doors/health/route.ts';
import { getGenesis, postLedger } from './doors/ledger/route.ts';
import { getModel, getModels } from './doors/models/route.ts';
import { getStatus } from './doors/status/route.ts';

/** @param id the last part of the path, where the door's path ends in one. */
type Handler = (parts: GatewayParts, exchange: Exchange, id: string) => void | Promise<void>;

interface Door {
  /** One group where the path ends in an id. */
  readonly path: RegExp;
  /** HEAD goes where GET goes, but for streams: their headers promise a body. */
  readonly methods: Readonly<Record<string, Handler>>;
}

const ID = '([A-Za-z0-9._-]{1,128})';
const door = (path: string, methods: Door['methods']): Door => ({
  path: new RegExp(`^${path}/?$`),
  methods,
});
const read = (handler: Handler): Door['methods'] => ({ GET: handler, HEAD: handler });

const DOORS: readonly Door[] = [
  door('/v1/models', read(getModels)),
  door(`/v1/models/${ID}`, read(getModel)),
  door('/v1/chat/completions', { POST: postChat }),
  door('/v1/completions', { POST: postCompletions }),
  door(`/api/answers/${ID}`, { GET: getAnswer, DELETE: deleteAnswer }),
  door('/api/status', read(getStatus)),
  door('/ledger/1', { POST: postLedger }),
  door('/ledger/1/genesis', read(getGenesis)),
  door('/healthz', read(getHealth)),
];

/** Folders that are the gateway's alone: what no door answers there is a 404 of ours. */
const OWN = /^\/(v1|api\/answers|ledger\/1)(\/|$)/;

export interface Match {
  readonly methods: readonly string[];
  handle(parts: GatewayParts, exchange: Exchange): void | Promise<void>;
}

/** The door of a path, `null` where the path is not the gateway's. */
export function matchDoor(path: string): Match | null {
  for (const { path: pattern, methods } of DOORS) {
    const found = pattern.exec(path);
    if (found) return matchOf(methods, found[1] ?? '');
  }
  return OWN.test(path) ? { methods: [], handle: refusePath } : null;
}

function matchOf(methods: Door['methods'], id: string): Match {
  return {
    methods: Object.keys(methods),
    handle: (parts, exchange) => {
      const method = exchange.req.method ?? '';
      const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
      if (handler) return handler(parts, exchange, id);
      const allowed = Object.keys(methods).join(', ');
      throw new FaultError('request/method-not-allowed', `Use ${allowed} here, not ${method}.`);
    },
  };
}

function refusePath(_parts: GatewayParts, { req, url }: Exchange): never {
  throw new FaultError('request/not-found', `Nothing at ${req.method ?? ''} ${url.pathname}.`);
}

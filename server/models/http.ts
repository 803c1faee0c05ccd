import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ChunkHash } from '#lib/kernel/ids.ts';
import { parseRange } from './range.ts';
import type { ModelRegistry } from './registry.ts';

const CHUNK = /^\/models\/chunks\/([^/]*)$/;
const MANIFEST = /^\/models\/([^/]*)\/manifest\.json$/;
/** Bytes are named by their hash: what a cache holds can never be out of date. */
const IMMUTABLE = 'public, max-age=31536000, immutable';
/** A model may be removed or imported anew under its name. */
const SHORT = 'public, max-age=5, must-revalidate';

/**
 * Answers `GET|HEAD /models/<id>/manifest.json` and `/models/chunks/<sha256>`.
 * @returns false for any other path, with nothing done.
 */
export function servePackageFile(
  registry: ModelRegistry,
  req: IncomingMessage,
  res: ServerResponse,
): boolean {
  const path = (req.url ?? '').split('?', 1)[0] ?? '';
  const chunk = CHUNK.exec(path)?.[1];
  const id = MANIFEST.exec(path)?.[1];
  if (chunk === undefined && id === undefined) return false;
  res.setHeader('Access-Control-Allow-Origin', '*');
  res.setHeader('Cross-Origin-Resource-Policy', 'cross-origin');
  res.setHeader('X-Content-Type-Options', 'nosniff');
  if (req.method === 'OPTIONS') preflight(res);
  else if (req.method !== 'GET' && req.method !== 'HEAD') refuseMethod(res);
  else if (chunk !== undefined) void sendChunk(registry, { chunk, req, res });
  else sendManifest(registry, { id: id ?? '', req, res });
  return true;
}

function preflight(res: ServerResponse): void {
  res.writeHead(204, {
    'Access-Control-Allow-Methods': 'GET, HEAD',
    'Access-Control-Allow-Headers': 'range, if-none-match',
    'Access-Control-Max-Age': '86400',
  });
  res.end();
}

function refuseMethod(res: ServerResponse): void {
  res.writeHead(405, { Allow: 'GET, HEAD, OPTIONS' });
  res.end();
}

function notFound(res: ServerResponse): void {
  res.writeHead(404, { 'Cache-Control': 'no-store', 'Content-Type': 'text/plain' });
  res.end('not found\n');
}

interface Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
}

/** Answers 304 where the client has this very entity. */
function isUnchanged({ req, res }: Exchange, etag: string, cache: string): boolean {
  res.setHeader('ETag', etag);
  res.setHeader('Cache-Control', cache);
  const known = (req.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim());
  if (!known.includes(etag) && !known.includes(`W/${etag}`)) return false;
  res.writeHead(304);
  res.end();
  return true;
}

function sendManifest(registry: ModelRegistry, exchange: Exchange & { readonly id: string }): void {
  const { id, req, res } = exchange;
  if (!registry.has(id)) {
    notFound(res);
    return;
  }
  const { json, hash } = registry.get(id);
  if (isUnchanged(exchange, `"${hash}"`, SHORT)) return;
  res.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(json),
  });
  res.end(req.method === 'HEAD' ? undefined : json);
}

async function sendChunk(
  registry: ModelRegistry,
  exchange: Exchange & { readonly chunk: string },
): Promise<void> {
  const { chunk, req, res } = exchange;
  // The registry's table holds hashes alone: no other name leads to a file.
  const path = registry.chunkPath(chunk as ChunkHash);
  const size = path && (await stat(path).catch(() => null))?.size;
  if (path === undefined || !size) {
    notFound(res);
    return;
  }
  if (isUnchanged(exchange, `"${chunk}"`, IMMUTABLE)) return;
  res.setHeader('Accept-Ranges', 'bytes');
  const condition = req.headers['if-range'] ?? `"${chunk}"`;
  const range = condition === `"${chunk}"` ? parseRange(req.headers.range, size) : null;
  if (range === 'unsatisfiable') {
    res.writeHead(416, { 'Content-Range': `bytes */${size}`, 'Cache-Control': 'no-store' });
    res.end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  if (range) res.setHeader('Content-Range', `bytes ${start}-${end}/${size}`);
  res.writeHead(range ? 206 : 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': end - start + 1,
  });
  if (req.method === 'HEAD') res.end();
  else await sendFile(path, { start, end }, res);
}

/** A client that hangs up, or a file that vanishes, ends the response: never the process. */
async function sendFile(
  path: string,
  range: { start: number; end: number },
  res: ServerResponse,
): Promise<void> {
  try {
    await pipeline(createReadStream(path, range), res);
  } catch {
    res.destroy();
  }
}

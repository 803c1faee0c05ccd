import { FaultError } from '#lib/kernel/errors.ts';
import { parseManifest } from '#lib/shard/package/check-manifest.ts';
import { PACKAGE } from '#lib/shard/package/limits.ts';
import { manifestHash, type Manifest } from '#lib/shard/package/manifest.ts';
import type { ModelRef } from './node-state.ts';
import { NODE } from './limits.ts';

/**
 * The manifest that the server named, checked against its hash before anything is believed.
 * @throws FaultError `package/fetch-failed`, `package/not-found`, `package/hash-mismatch`, `package/malformed`.
 */
export async function fetchManifest(serverUrl: string, model: ModelRef): Promise<Manifest> {
  const response = await get(`${serverUrl}/models/${model.id}/manifest.json`);
  const manifest = parseManifest(await boundedText(response));
  if (manifestHash(manifest) !== model.hash) {
    throw new FaultError('package/hash-mismatch', `the manifest of ${model.id} has another hash`);
  }
  return manifest;
}

async function get(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(NODE.quickJobMs) });
  } catch (cause) {
    throw new FaultError('package/fetch-failed', 'the manifest could not be fetched', { cause });
  }
  if (response.ok) return response;
  const code = response.status === 404 ? 'package/not-found' : 'package/fetch-failed';
  throw new FaultError(code, `the manifest could not be fetched: HTTP ${response.status}`);
}

/** Reads no more than a manifest may have, whatever the server sends. */
async function boundedText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > PACKAGE.manifestBytesMax) {
      throw new FaultError('package/too-large', 'the manifest is larger than the limit');
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

import { browserVerify, portableSha256 } from '#lib/ledger/crypto/browser.ts';
import { LightClient, type LightOptions } from './light/light-client.ts';

export { httpSource } from './http-source.ts';
export { LightClient } from './light/light-client.ts';
export type { Head, LightOptions, LightStore, Proven } from './light/light-client.ts';
export type { Pin, Trust } from './light/trust.ts';
export type { Source } from './source.ts';

/** A light client with this browser's own cryptography and clock. */
export async function browserLightClient(
  options: Omit<LightOptions, 'proving' | 'nowMs'>,
): Promise<LightClient> {
  const proving = { sha256: portableSha256, verify: await browserVerify() };
  return new LightClient({ ...options, proving, nowMs: () => Date.now() });
}

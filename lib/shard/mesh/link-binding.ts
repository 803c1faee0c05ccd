import type { NodeId } from '#lib/kernel/ids.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { signParts, verifyParts } from './identity.ts';

/**
 * M3: an offer or answer is bound to a node key through the certificate that DTLS will show. Who
 * changes the SDP on its way can then only break the link, never sit in the middle of it.
 */
export interface LinkBinding {
  /** 32 bytes as upper-case hex pairs with colons. */
  readonly fingerprint: string;
  readonly ufrag: string;
}

/** From whom to whom, on which introduction: a signed offer fits no other link. */
export interface LinkEnds {
  readonly link: string;
  readonly from: NodeId;
  readonly to: NodeId;
}

const FINGERPRINT = /^a=fingerprint:sha-256 ([0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){31})$/;
const UFRAG = /^a=ice-ufrag:([A-Za-z0-9+/]{4,256})$/;
const PRINTABLE_LINES = /^(?:[\x20-\x7e]*\r?\n)+$/;

/**
 * The one SHA-256 fingerprint and the one ufrag of an SDP; null where there are none or several,
 * where another hash is named, or where bytes could read as different lines to another parser.
 */
export function bindingOf(sdp: string): LinkBinding | null {
  if (!PRINTABLE_LINES.test(sdp)) return null;
  const lines = sdp.split(/\r?\n/);
  if (lines.filter((line) => /^\s*m\s*=/i.test(line)).length !== 1) return null;
  const fingerprint = onlyMatch(lines, /fingerprint/i, FINGERPRINT);
  const ufrag = onlyMatch(lines, /ice-ufrag/i, UFRAG);
  if (fingerprint === null || ufrag === null) return null;
  return { fingerprint: fingerprint.toUpperCase(), ufrag };
}

/** The value of the single line that mentions a word, where that line has exactly our form. */
function onlyMatch(lines: readonly string[], mention: RegExp, form: RegExp): string | null {
  const mentions = lines.filter((line) => mention.test(line));
  if (mentions.length !== 1) return null;
  return form.exec(mentions[0] as string)?.[1] ?? null;
}

export const signBinding = (signer: Signer, ends: LinkEnds, binding: LinkBinding): string =>
  signParts(signer, bindingParts(ends, binding));

export const verifyBinding = (ends: LinkEnds, binding: LinkBinding, signature: string): boolean =>
  verifyParts(ends.from, bindingParts(ends, binding), signature);

const bindingParts = (ends: LinkEnds, binding: LinkBinding): string[] => [
  'declai/link/1',
  ends.link,
  ends.from,
  ends.to,
  binding.fingerprint,
  binding.ufrag,
];

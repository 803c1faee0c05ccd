import type { FaultCode } from '#lib/kernel/errors.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { bindingOf, signBinding, verifyBinding, type LinkEnds } from './link-binding.ts';
import { decodeSignalPayload, type SignalPayload } from './signal-payload.ts';

/** A payload as the server carries it: text, and the sender's signature of a description (M3). */
export interface SignedSignal {
  readonly text: string;
  /** Hex; null for what needs none: a candidate leads nowhere without the right certificate. */
  readonly signature: string | null;
}

export function signSignal(signer: Signer, ends: LinkEnds, payload: SignalPayload): SignedSignal {
  const binding = isDescription(payload) ? bindingOf(payload.sdp) : null;
  return {
    text: JSON.stringify(payload),
    signature: binding && signBinding(signer, ends, binding),
  };
}

export type OpenedSignal =
  | { readonly ok: true; readonly payload: SignalPayload }
  | { readonly ok: false; readonly code: FaultCode };

/** Verified against the node that the server introduced, before WebRTC sees it. Never throws. */
export function openSignal(ends: LinkEnds, signed: SignedSignal): OpenedSignal {
  const payload = decodeSignalPayload(signed.text);
  if (!payload) return { ok: false, code: 'wire/malformed' };
  if (!isDescription(payload)) return { ok: true, payload };
  const binding = bindingOf(payload.sdp);
  const bound =
    binding !== null && signed.signature !== null && verifyBinding(ends, binding, signed.signature);
  return bound ? { ok: true, payload } : { ok: false, code: 'mesh/bad-signature' };
}

const isDescription = (
  payload: SignalPayload,
): payload is Extract<SignalPayload, { type: 'offer' | 'answer' }> =>
  payload.type === 'offer' || payload.type === 'answer';

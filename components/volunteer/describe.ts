import { unreachable } from '#lib/kernel/assert.ts';
import type { FaultCode } from '#lib/kernel/errors.ts';
import { reasonText } from '#lib/kernel/reasons.ts';
import type { VolunteerSnapshot } from '#lib/shard/runtime/volunteer-port.ts';
import { formatCount, formatLayers } from '#components/ui/format.ts';

/** A state of the node for people: a word or two, and one plain sentence. */
export interface StateText {
  readonly title: string;
  readonly sentence: string;
  readonly tone: 'calm' | 'busy' | 'warn' | 'bad';
}

export function describeState(snapshot: VolunteerSnapshot): StateText {
  const { phase, fault, reason } = snapshot;
  if (phase === 'lost' || (phase === 'off' && fault)) return describeLoss(snapshot);
  if (fault) return warn('A hitch', `${faultText(fault.code)} ${BY_ITSELF}`);
  const plain = describePhase(snapshot);
  // "Nobody is asking" explains a pause in the work; while it works, the work explains itself.
  return reason && phase !== 'paused' ? { ...plain, sentence: reasonText(reason) } : plain;
}

function describePhase(snapshot: VolunteerSnapshot): StateText {
  const { phase, reason, sessions } = snapshot;
  switch (phase) {
    case 'off':
      return calm(
        'Not contributing',
        'Nothing computes, connects or downloads until you start it.',
      );
    case 'joining':
      return busy('Joining', 'Saying hello to the network.');
    case 'measuring':
      return busy('Measuring', 'Timing a few steps, to see how many layers suit this device.');
    case 'loading':
      return busy('Loading', `Fetching ${shardText(snapshot)} and keeping them in this browser.`);
    case 'warming':
      return busy('Warming up', 'Checking the arithmetic before the first real work.');
    case 'ready':
      return calm('Ready', `Holding ${shardText(snapshot)}, waiting for the next question.`);
    case 'serving':
      return busy('Serving', `Working on ${formatCount(sessions, 'answer')} right now.`);
    case 'spare':
      return calm('Standing by', 'You take over at once when somebody leaves.');
    case 'paused':
      return calm(
        'Paused',
        `${reasonText(reason ?? 'pause.user')} Nothing computes; the layers stay.`,
      );
    case 'leaving':
      return busy('Leaving', 'Handing over what is under way.');
    case 'lost':
      return describeLoss(snapshot);
    default:
      return unreachable(phase);
  }
}

const calm = (title: string, sentence: string): StateText => ({ title, sentence, tone: 'calm' });
const busy = (title: string, sentence: string): StateText => ({ title, sentence, tone: 'busy' });
const warn = (title: string, sentence: string): StateText => ({ title, sentence, tone: 'warn' });
const BY_ITSELF = 'Trying again by itself.';

/** `rejoins`: the node comes back without a click. Else it is over, and the person decides. */
function describeLoss({ fault, rejoins }: VolunteerSnapshot): StateText {
  const why = faultText(fault?.code ?? null);
  if (rejoins) return warn('Disconnected', `${why} ${BY_ITSELF}`);
  if (!fault) return { title: 'Disconnected', sentence: why, tone: 'bad' };
  const title = fault.code === 'wire/version' ? 'Out of date' : 'Stopped';
  return { title, sentence: why, tone: 'bad' };
}

/** What a volunteer can make of a fault; the rest is a connection that did not hold. */
export function faultText(code: FaultCode | null): string {
  switch (code) {
    case 'package/fetch-failed':
      return 'A download failed: the network or the server is away.';
    case 'package/storage-full':
      return reasonText('device.storage');
    case 'package/hash-mismatch':
      return 'A downloaded piece was damaged and was thrown away.';
    case 'package/unsupported':
    case 'package/malformed':
    case 'package/too-large':
    case 'package/not-found':
      return 'This page cannot read the server’s model; a reload may help.';
    case 'package/busy':
      return 'Another tab of this browser is fetching the same layers.';
    case 'engine/out-of-memory':
      return reasonText('device.memory');
    case 'engine/wrong-answer':
      return reasonText('device.wrong');
    case 'engine/unsupported':
      return 'This browser cannot run this model: a newer one may (it needs WebAssembly SIMD).';
    case 'engine/lost':
    case 'kernel/timeout':
      return 'The computation stopped or took too long, and was ended.';
    case 'mesh/limit':
      return 'Too many nodes from this address or profile contribute already.';
    case 'mesh/refused':
    case 'mesh/bad-signature':
      return 'The network did not accept this node.';
    case 'request/model-not-found':
      return 'This server offers no model just now.';
    case 'server/stopping':
      return 'The server is being stopped.';
    case 'wire/version':
      return reasonText('refuse.version');
    case null:
    default:
      return 'The connection to the network was lost.';
  }
}

/** `layers 10–19 of smollm2-135m-instruct`, as far as it is known. */
export function shardText({ range, model }: VolunteerSnapshot): string {
  const layers = range ? formatLayers(range.first, range.last) : 'layers';
  return model === null ? layers : `${layers} of ${model}`;
}

/** The light in the header: lit exactly while the node computes for others. */
export function lightOf({ phase, computing }: VolunteerSnapshot): 'none' | 'idle' | 'computing' {
  if (computing) return 'computing';
  return phase === 'off' || phase === 'lost' ? 'none' : 'idle';
}

/** Whether only a fresh copy of this page helps. */
export const needsReload = ({ fault }: VolunteerSnapshot): boolean =>
  fault?.code === 'wire/version';

import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { FrameChannel } from '#lib/shard/mesh/frame-channel.ts';
import { openLinkPort } from '#lib/shard/mesh/link-port.ts';
import type { LinkPort } from '#lib/shard/mesh/types.ts';
import type { Frame } from '#lib/shard/wire/frame.ts';

/** The thread that computes, for the test: opens links, sends and answers frames. */

export type Order =
  | { readonly type: 'port'; readonly peer: NodeId; readonly port: LinkPort }
  | { readonly type: 'close'; readonly peer: NodeId }
  | { readonly type: 'send'; readonly peer: NodeId; readonly frames: number }
  | { readonly type: 'round-trips'; readonly peer: NodeId; readonly count: number };

export type Report =
  | { readonly type: 'received'; readonly inOrder: number }
  | { readonly type: 'round-trips'; readonly p50Ms: number; readonly p90Ms: number }
  | { readonly type: 'ended'; readonly why: string };

const scope = self as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage: (report: Report) => void;
};
const channels = new Map<NodeId, FrameChannel>();
const address = { session: 'ab'.repeat(16) as SessionId, epoch: 1 };
let inOrder = 0;
let onEcho: () => void = () => undefined;

/** One decode step's activations of SmolLM2-135M; place 0 asks, place 1 answers. */
const row = (place: number, seq: number, rows = 1): Frame => ({
  type: 'rows',
  ...address,
  place,
  seq,
  firstPosition: 0,
  rows,
  width: 576,
  dtype: 'f32',
  data: new Float32Array(rows * 576).fill(seq),
});

function open(peer: NodeId, port: LinkPort): void {
  const channel = openLinkPort(port);
  channels.set(peer, channel);
  const take = (frame: Frame): void => {
    if (frame.type !== 'rows') return;
    if (frame.place === 0) channel.send(row(1, frame.seq));
    else if (frame.place === 1) onEcho();
    else if (frame.seq === inOrder && frame.data.every((value) => value === frame.seq)) {
      inOrder += 1;
      scope.postMessage({ type: 'received', inOrder });
    }
  };
  channel.onFrames((frames) => frames.forEach(take));
  channel.onClose((why) => {
    scope.postMessage({ type: 'ended', why });
  });
}

async function measure(channel: FrameChannel, count: number): Promise<void> {
  const times: number[] = [];
  for (let seq = 0; seq < count; seq += 1) {
    const sentAt = performance.now();
    await new Promise<void>((resolve) => {
      onEcho = resolve;
      channel.send(row(0, seq));
    });
    times.push(performance.now() - sentAt);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? NaN;
  scope.postMessage({ type: 'round-trips', p50Ms: at(0.5), p90Ms: at(0.9) });
}

scope.onmessage = ({ data: order }) => {
  if (order.type === 'port') {
    open(order.peer, order.port);
    return;
  }
  const channel = channels.get(order.peer);
  if (!channel) return;
  if (order.type === 'close') channel.close();
  else if (order.type === 'round-trips') void measure(channel, order.count);
  else for (let seq = 0; seq < order.frames; seq += 1) channel.send(row(2, seq, 128));
};

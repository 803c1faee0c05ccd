import type { NodeId } from '#lib/kernel/ids.ts';
import { FRAGMENT_HEADER_BYTES, OutgoingFrame, Reassembly } from '#lib/shard/mesh/fragments.ts';
import type { WorkerHandle } from '#lib/shard/runtime/platform.ts';
import type { HostCommand, WorkerStart } from '#lib/shard/stage/host-protocol.ts';

/** What goes out in the place of a frame that the stage sends to `peer`: frames, or what is none. */
export type Tamper = (frame: Uint8Array, peer: NodeId) => readonly Uint8Array[];

/**
 * A volunteer's worker with a hand on its links: the stage computes and speaks as always, and what
 * leaves the node over its real data channels is what `tamper` makes of it.
 */
export function tapWorker(worker: WorkerHandle, tamper: Tamper): WorkerHandle {
  return {
    onLost: (listener) => worker.onLost(listener),
    terminate: () => worker.terminate(),
    postMessage(message) {
      const start = message as WorkerStart;
      const inner = new MessageChannel();
      pass(start.ring, inner.port1, (commands: readonly HostCommand[]) =>
        commands.map((command) => tapCommand(command, tamper)),
      );
      worker.postMessage({ ...start, ring: inner.port2 }, [inner.port2, start.jobs]);
    },
  };
}

function tapCommand(command: HostCommand, tamper: Tamper): HostCommand {
  if (command.type !== 'link-port' || command.port.kind !== 'port') return command;
  const outer = command.port.port;
  const { port1, port2 } = new MessageChannel();
  outer.onmessage = ({ data }: MessageEvent<unknown>) => {
    // Not its credit: what was read of the changed frames is no business of the stage.
    if (typeof data !== 'number') port1.postMessage(data);
  };
  const reassembly = new Reassembly();
  port1.onmessage = ({ data }: MessageEvent<unknown>) => {
    // Credit, or the end: our own node's affair.
    if (!(data instanceof ArrayBuffer)) outer.postMessage(data);
    else {
      port1.postMessage(data.byteLength);
      const frames = reassembly.take(new Uint8Array(data));
      if (frames === 'malformed') throw new Error('the stage itself sent no frame');
      for (const frame of frames) {
        for (const sent of tamper(frame, command.peer)) sendFragments(outer, sent);
      }
    }
  };
  closeTogether(outer, port1);
  return { ...command, port: { kind: 'port', port: port2 } };
}

function sendFragments(to: MessagePort, frame: Uint8Array): void {
  const withRoom = new Uint8Array(FRAGMENT_HEADER_BYTES + frame.length);
  withRoom.set(frame, FRAGMENT_HEADER_BYTES);
  const outgoing = new OutgoingFrame(withRoom, 0);
  while (outgoing.leftBytes > 0) to.postMessage(outgoing.next().buffer);
}

/** Commands one way, changed on their way, reports the other. */
function pass(
  main: MessagePort,
  worker: MessagePort,
  change: (commands: readonly HostCommand[]) => readonly HostCommand[],
): void {
  main.onmessage = ({ data }: MessageEvent<readonly HostCommand[]>) => {
    const commands = change(data);
    const ports = commands.flatMap((command) =>
      command.type === 'link-port' && command.port.kind === 'port' ? [command.port.port] : [],
    );
    worker.postMessage(commands, ports);
  };
  worker.onmessage = ({ data }: MessageEvent<unknown>) => {
    main.postMessage(data);
  };
  closeTogether(main, worker);
}

function closeTogether(a: MessagePort, b: MessagePort): void {
  a.addEventListener('close', () => b.close());
  b.addEventListener('close', () => a.close());
}

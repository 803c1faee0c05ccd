import { CreditChannel } from './credit-channel.ts';

/**
 * A byte channel over a `MessagePort`: an `ArrayBuffer` is data, a number is credit, null is the
 * end. Both ends are ours (two threads of one node), so nothing here is a stranger's.
 */
export function portByteChannel(
  port: MessagePort,
  options: { readonly manual: boolean } = { manual: false },
): CreditChannel {
  const channel = new CreditChannel(
    {
      data: (bytes) => {
        const own = bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
        port.postMessage(own.buffer, [own.buffer]);
      },
      credit: (bytes) => {
        port.postMessage(bytes);
      },
      end: () => {
        port.postMessage(null);
        port.close();
      },
    },
    options,
  );
  port.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (data instanceof ArrayBuffer) channel.takeData(new Uint8Array(data));
    else if (typeof data === 'number') channel.takeCredit(data);
    else channel.takeEnd();
  });
  // A killed worker says no goodbye: the platform closes the port (Chromium ≥ 122, Node).
  port.addEventListener('close', () => {
    channel.takeEnd();
  });
  port.start();
  return channel;
}

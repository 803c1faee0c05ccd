import { connect, type Socket } from 'node:net';
import { SIGNALING_PATH } from '#lib/shard/mesh/signaling-path.ts';

/** A masked WebSocket text frame with `40`: socket.io's word for "I am here". */
const CONNECT = Uint8Array.of(0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30);

export interface SilentSocket {
  readonly socket: Socket;
  /** All bytes so far. */
  readonly heard: () => string;
}

/** WebSockets to the nodes' door that say nothing: half do not even greet socket.io. */
export async function openSilent(
  port: number,
  { localAddress, count }: { readonly localAddress: string; readonly count: number },
): Promise<SilentSocket[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const socket = connect({ host: '127.0.0.1', port, localAddress });
      let heard = '';
      socket.on('data', (bytes) => (heard += bytes.toString('latin1')));
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
      const head = [
        `GET ${SIGNALING_PATH}/?EIO=4&transport=websocket HTTP/1.1`,
        `host: 127.0.0.1:${port}`,
        ...['connection: Upgrade', 'upgrade: websocket', 'sec-websocket-version: 13'],
        'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
      ];
      socket.write(`${head.join('\r\n')}\r\n\r\n`);
      await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
      if (i % 2 === 0) socket.write(CONNECT);
      return { socket, heard: () => heard };
    }),
  );
}

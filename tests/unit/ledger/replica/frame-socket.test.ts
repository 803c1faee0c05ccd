import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FrameSocket } from '#server/replica/transport/frame-socket.ts';
import { Turns } from '#server/replica/transport/turns.ts';

let here: Socket;
let there: Socket;
beforeEach(async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  there = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  here = accepted;
  server.close();
});
afterEach(() => {
  here.destroy();
  there.destroy();
});

const MANY = 40;
/** More than the system takes from who is not read. */
const FRAME = new Uint8Array(8 * 1_048_576);

const framesOn = (socket: Socket): FrameSocket =>
  new FrameSocket(socket, {
    ...{ frameBytesMax: 1_024, queueBytesMax: 2 * FRAME.length, turns: new Turns(1) },
    ...{ onFrame: () => 0, onClose: () => undefined },
  });

test('[X6] any number wait for one reader, and none of them is a listener of its own', async () => {
  for (const end of [() => there.resume(), () => here.destroy()]) {
    const frames = framesOn(here);
    there.pause();
    expect(frames.send(FRAME)).toBe(true);
    const waiting = Array.from({ length: MANY }, () => frames.drained());
    for (const name of ['drain', 'close']) {
      // Node warns of a leak from eleven on: anybody could fill an operator's log.
      expect(here.listenerCount(name)).toBeLessThan(8);
    }
    end();
    await Promise.all(waiting);
  }
  expect(here.destroyed).toBe(true);
});

import type { Page, WebSocketRoute } from 'playwright-core';
import type { ServerMessage } from '#lib/shard/wire/node-messages.ts';

/**
 * Stands in a tab's socket to the real server: holds back what the server says, so that a state
 * stands still and can be looked at, or says what a server may say.
 */
export class ServerSocket {
  #socket: WebSocketRoute | null = null;
  #holds: ServerMessage['type'] | null = null;
  #held: (string | Buffer)[] = [];
  #entry: Promise<void> = Promise.resolve();

  static async open(page: Page): Promise<ServerSocket> {
    const door = new ServerSocket();
    await page.routeWebSocket(/./, async (socket) => {
      await door.#entry;
      door.#socket = socket;
      door.#held = [];
      const server = socket.connectToServer();
      socket.onMessage((packet) => server.send(packet));
      server.onMessage((packet) => {
        if (door.#holds !== null && typesIn(packet).includes(door.#holds)) door.#held.push(packet);
        else socket.send(packet);
      });
    });
    return door;
  }

  /** From now on nobody gets in: the server, which does not wait long for a hello, hears of nobody. @returns what opens. */
  shut(): () => void {
    let open: () => void = () => undefined;
    this.#entry = new Promise((resolve) => (open = resolve));
    return () => open();
  }

  /** From now on messages of this type wait, and what the server said in the same turn. */
  hold(type: ServerMessage['type']): void {
    this.#holds = type;
  }

  /** True once a message waits: the tab has connected and stands still. */
  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** What waited goes on, in order. */
  release(): void {
    this.#holds = null;
    for (const packet of this.#held.splice(0)) this.#socket?.send(packet);
  }

  /** A goodbye ends the connection: what waited is void. */
  say(message: ServerMessage): void {
    if (message.type === 'goodbye') this.#held = [];
    this.#socket?.send(`42${JSON.stringify(['message', JSON.stringify(message)])}`);
  }
}

/** socket.io: `42["message","{…}","{…}"]`; none in everything else. */
function typesIn(packet: string | Buffer): string[] {
  if (typeof packet !== 'string' || !packet.startsWith('42')) return [];
  const [event, ...texts] = JSON.parse(packet.slice(2)) as [string, ...string[]];
  return event === 'message' ? texts.map((text) => (JSON.parse(text) as ServerMessage).type) : [];
}

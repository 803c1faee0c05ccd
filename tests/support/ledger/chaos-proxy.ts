import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What it does with bytes: pass them, pass them late, or swallow them and let both ends believe. */
export type Chaos =
  | { readonly kind: 'pass' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'swallow' };

/** In front of one replica's port: everybody who dials it comes through here. */
export class ChaosProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  chaos: Chaos = { kind: 'pass' };

  private constructor(server: Server) {
    this.#server = server;
  }

  static async between(port: number, target: number): Promise<ChaosProxy> {
    const server = createServer();
    const proxy = new ChaosProxy(server);
    server.on('connection', (near) => {
      const far = connect(target, '127.0.0.1');
      proxy.#join(near, far);
      proxy.#join(far, near);
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** Ends every connection there is: those that swallowed something can say nothing right any more. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('error', () => from.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', (bytes: Buffer) => {
      const { chaos } = this;
      if (chaos.kind === 'pass') to.write(bytes);
      // Timers of one length fire in the order in which they were set.
      else if (chaos.kind === 'delay') setTimeout(() => to.write(bytes), chaos.ms);
    });
  }
}

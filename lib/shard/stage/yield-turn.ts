/**
 * Calls back in a later turn of the event loop, after whatever waits there already: frames and
 * messages are taken between two runs. A timer would cost 1–4 ms a run, a microtask would let
 * nothing in; a message to oneself costs some ten microseconds.
 */
export interface TurnYielder {
  /** One call at a time: the next only after the callback. */
  yieldTurn(then: () => void): void;
  close(): void;
}

export function createTurnYielder(): TurnYielder {
  const { port1, port2 } = new MessageChannel();
  let waiting: (() => void) | null = null;
  port1.onmessage = () => {
    const then = waiting;
    waiting = null;
    then?.();
  };
  return {
    yieldTurn(then) {
      waiting = then;
      port2.postMessage(null);
    },
    close() {
      port1.close();
      port2.close();
    },
  };
}

/**
 * Calls back in a later turn of the event loop, after whatever waits there already: frames and
 * messages are taken between two runs. A timer would cost 1–4 ms a run, a microtask would let
 * nothing in.
 */
export interface TurnYielder {
  /** One call at a time: the next only after the callback. */
  yieldTurn(then: () => void): void;
  close(): void;
}

/**
 * Node: `setImmediate`. A message to oneself would not do there: a port hands over up to a thousand
 * messages in one turn, those posted meanwhile included, while all other ports wait.
 * Browsers have no `setImmediate`, and take messages of all ports in the order they came.
 */
export const createTurnYielder = (): TurnYielder =>
  typeof setImmediate === 'function' ? immediateYielder() : messageYielder();

function immediateYielder(): TurnYielder {
  let waiting: NodeJS.Immediate | null = null;
  return {
    yieldTurn(then) {
      waiting = setImmediate(then);
    },
    close() {
      if (waiting) clearImmediate(waiting);
    },
  };
}

function messageYielder(): TurnYielder {
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

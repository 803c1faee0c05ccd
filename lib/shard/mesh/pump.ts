import type { CreditChannel } from './credit-channel.ts';
import { MESH } from './limits.ts';

/**
 * Joins two `manual` channels in both directions and in their ends. What one side sent counts as buffered
 * there until the other side has taken it: back-pressure reaches through.
 */
export function pump(a: CreditChannel, b: CreditChannel): void {
  pour(a, b);
  pour(b, a);
}

function pour(from: CreditChannel, to: CreditChannel): void {
  let owed = 0;
  const settle = () => {
    if (to.bufferedBytes() > MESH.lowMarkBytes) return;
    from.credit(owed);
    owed = 0;
  };
  from.onBytes((bytes) => {
    owed += bytes.length;
    to.send(bytes);
    if (to.bufferedBytes() > MESH.unreadBytesMax) from.close();
    settle();
  });
  to.onDrain(settle);
  from.onClose(() => {
    to.close();
  });
}

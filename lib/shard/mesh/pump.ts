import { MESH } from './limits.ts';
import type { ByteChannel } from './types.ts';

/** A channel whose sender hears what was read only when the reader says so. */
interface Pumped extends ByteChannel {
  /** Absent where the channel knows by itself (a data channel). */
  credit?(bytes: number): void;
}

/**
 * Joins two channels in both directions and in their ends. What one side sent counts as buffered
 * there until the other side has taken it: back-pressure reaches through.
 */
export function pump(a: Pumped, b: Pumped): void {
  pour(a, b);
  pour(b, a);
}

function pour(from: Pumped, to: Pumped): void {
  let owed = 0;
  const settle = () => {
    if (to.bufferedBytes() > MESH.lowMarkBytes) return;
    from.credit?.(owed);
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

import type { Writable } from 'node:stream';
import { MIB } from '#lib/kernel/units.ts';
import type { LineSink } from './log.ts';

/** Lines that wait for a reader of stdout which stands still; later ones are dropped, and counted. */
const WAITING_BYTES_MAX = MIB;

export interface CountingSink extends LineSink {
  readonly dropped: number;
}

/**
 * The stream that `ready` goes to, so that lines keep their order. The server never waits for its
 * log and never ends with its reader: who closes the pipe loses lines, nothing else.
 */
export function boundedSink(stream: Writable): CountingSink {
  let dropped = 0;
  stream.on('error', () => (dropped += 1));
  return {
    get dropped() {
      return dropped;
    },
    write(line) {
      if (stream.writable && stream.writableLength <= WAITING_BYTES_MAX) stream.write(line);
      else dropped += 1;
    },
  };
}

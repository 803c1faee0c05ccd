import { pino, stdTimeFunctions } from 'pino';
import { LEVEL_OF, type LogLevel, type OperatorEntry } from './entries.ts';

/** Where lines go. */
export interface LineSink {
  /** One line with its end. */
  write(line: string): void;
}

export interface OperatorLog {
  write(entry: OperatorEntry): void;
}

/** One JSON object a line: `level`, `time` (ISO 8601), `event`, and what belongs to it. */
export function createLog(level: LogLevel, sink: LineSink): OperatorLog {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink,
  );
  return {
    write: (entry) => {
      logger[LEVEL_OF[entry.event]](entry);
    },
  };
}

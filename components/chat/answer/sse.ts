import { FaultError } from '#lib/kernel/errors.ts';
import { CHAT } from '../limits.ts';

/** Takes text as it arrives, gives the data of each event that is complete. */
export interface SseParser {
  /** @throws FaultError `wire/too-large` where one event is longer than `CHAT.eventCharsMax`. */
  push(text: string): string[];
}

/**
 * Server-sent events (WHATWG HTML 9.2.6), as far as `data:` goes: lines end with LF, CRLF or CR,
 * several data lines are joined by LF, comments and other fields are skipped, and an event that the
 * end of the body cuts off is never given.
 */
export function createSseParser(): SseParser {
  let rest = '';
  let data: string[] = [];
  let chars = 0;
  let afterCr = false;

  const takeLine = (line: string, events: string[]): void => {
    if (line === '') {
      if (data.length > 0) events.push(data.join('\n'));
      data = [];
      chars = 0;
      return;
    }
    if (!line.startsWith('data:')) return;
    data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    chars += line.length;
  };

  return {
    push(text) {
      // A CR may end one piece and its LF begin the next: together they end one line.
      const piece = afterCr && text.startsWith('\n') ? text.slice(1) : text;
      if (text !== '') afterCr = text.endsWith('\r');
      const lines = (rest + piece).split(/\r\n|\n|\r/);
      rest = lines.pop() ?? '';
      const events: string[] = [];
      for (const line of lines) takeLine(line, events);
      if (chars + rest.length > CHAT.eventCharsMax) {
        throw new FaultError('wire/too-large', 'an event of the answer is too long');
      }
      return events;
    },
  };
}

import { describe, expect, it } from 'vitest';
import { createSseParser } from '#components/chat/answer/sse.ts';
import { CHAT } from '#components/chat/limits.ts';
import { seededRandom } from '#lib/kernel/random.ts';

const all = (...pieces: string[]): string[] => {
  const parser = createSseParser();
  return pieces.flatMap((piece) => parser.push(piece));
};

describe('server-sent events', () => {
  it('[CH1] gives the data of each event, comments and other fields skipped', () => {
    const text = ': keep-alive\n\nevent: x\nid: 3\ndata: one\n\ndata:two\n\n: bye\n\n';
    expect(all(text)).toEqual(['one', 'two']);
  });

  it('[CH1] joins data lines and takes only one space away', () => {
    expect(all('data: a\ndata:  b\ndata\n\n')).toEqual(['a\n b']);
  });

  it('[CH1] never gives an event that the end cut off', () => {
    expect(all('data: whole\n\ndata: half\n')).toEqual(['whole']);
  });

  it('[CH1] gives the same events however the bytes are cut, for LF, CRLF and CR', () => {
    const random = seededRandom(7);
    for (const end of ['\n', '\r\n', '\r']) {
      const text = ['data: one', '', ': note', 'data: {"a": "ü"}', 'data: 2', '', ''].join(end);
      for (let round = 0; round < 200; round += 1) {
        const pieces: string[] = [];
        for (let at = 0; at < text.length;) {
          const length = 1 + random.below(5);
          pieces.push(text.slice(at, at + length));
          at += length;
        }
        expect(all(...pieces)).toEqual(['one', '{"a": "ü"}\n2']);
      }
    }
  });

  it('[CH1] refuses an event beyond the bound instead of holding it', () => {
    const parser = createSseParser();
    expect(() => parser.push(`data: ${'x'.repeat(CHAT.eventCharsMax)}`)).toThrow(/too long/);
  });
});

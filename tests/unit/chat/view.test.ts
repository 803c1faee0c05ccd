import { describe, expect, it } from 'vitest';
import { describePulse, statusSchema } from '#components/site/status.ts';
import { formatBytes, formatLayers, formatMs, formatRate } from '#components/ui/format.ts';
import { splitBlocks } from '#components/chat/view/blocks.ts';
import { describeFailure, secondsUntil } from '#components/chat/view/failure.ts';
import { titleOf, turnsBefore, DEFAULT_SETTINGS } from '#components/chat/store/model.ts';
import { newAnswer } from '#components/chat/answer/state.ts';
import { seededRandom } from '#lib/kernel/random.ts';

describe('pieces of Markdown', () => {
  it('cuts at blank lines, and nowhere inside code, lists or indented text', () => {
    const text = 'One.\n\nTwo\nlines.\n\n```js\na\n\nb\n```\n\n1. x\n\n2. y\n\n   more\n\nEnd';
    expect(splitBlocks(text)).toEqual([
      'One.\n\n',
      'Two\nlines.\n\n',
      '```js\na\n\nb\n```\n\n1. x\n\n2. y\n\n   more\n\n',
      'End',
    ]);
  });

  it('loses nothing, and only the last piece changes as a text grows', () => {
    const random = seededRandom(3);
    const parts = ['word ', '\n', '\n\n', '```\n', '~~~\n', '- item\n', '  indented', '> quote\n'];
    for (let round = 0; round < 60; round += 1) {
      let text = '';
      let before: string[] = [];
      for (let i = 0; i < 20; i += 1) {
        text += random.pick(parts);
        const blocks = splitBlocks(text);
        expect(blocks.join('')).toBe(text);
        // A piece is settled once another has begun after it.
        expect(blocks.slice(0, Math.max(0, before.length - 1))).toEqual(before.slice(0, -1));
        before = blocks;
      }
    }
  });
});

describe('failures for people', () => {
  it('[CH6] names the missing layers and where to lend them', () => {
    const failure = {
      code: 'refuse.no_cover',
      message: 'No node holds layers 10–19 of m.',
      retryAt: 1,
    };
    expect(describeFailure(failure)).toMatchObject({
      sentence: 'No node holds layers 10–19 of m.',
      cure: 'contribute',
    });
  });

  it('[CH6] has a sentence and a cure for every code, known or not', () => {
    for (const code of [
      'refuse.queue',
      'answer.lost',
      'context_length_exceeded',
      'page.offline',
      'x',
    ]) {
      const text = describeFailure({ code, message: '', retryAt: null });
      expect(text.title.length, code).toBeGreaterThan(5);
      expect(text.sentence.length, code).toBeGreaterThan(5);
    }
    expect(describeFailure({ code: 'new', message: 'Because.', retryAt: null }).sentence).toBe(
      'Because.',
    );
  });

  it('[CH6] counts down to the time that the gateway named', () => {
    expect([secondsUntil(null, 0), secondsUntil(14_000, 0), secondsUntil(14_000, 13_001)]).toEqual([
      0, 14, 1,
    ]);
    expect(secondsUntil(14_000, 15_000)).toBe(0);
  });
});

describe('what the model reads', () => {
  it('is the system prompt and everything before, empty answers left out', () => {
    const base = { conversationId: 'c' };
    const answer = { ...newAnswer('m', 1, 0), text: '' };
    const messages = [
      { ...base, id: '0', seq: 0, role: 'user', text: 'a' } as const,
      { ...base, id: '1', seq: 1, role: 'assistant', answer, settings: DEFAULT_SETTINGS } as const,
      { ...base, id: '2', seq: 2, role: 'user', text: 'b' } as const,
      { ...base, id: '3', seq: 3, role: 'assistant', answer, settings: DEFAULT_SETTINGS } as const,
    ];
    expect(turnsBefore(messages, 3, ' Be brief. ')).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
    ]);
  });

  it('a title is the first line, cut at a word', () => {
    expect(titleOf('  Hi\nthere')).toBe('Hi');
    expect(titleOf(' \n')).toBe('New chat');
    expect(titleOf('word '.repeat(30))).toBe(`${'word '.repeat(11)}word …`);
  });
});

describe('numbers for people', () => {
  it('keep the digits that carry weight', () => {
    expect([0, 999, 640_400, 82_400_000, 240e6, 1.2e9].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '640 KB',
      '82.4 MB',
      '240 MB',
      '1.20 GB',
    ]);
    expect([84, 999.6, 1_240, 48_200, 180_000].map(formatMs)).toEqual([
      '84 ms',
      '1.0 s',
      '1.2 s',
      '48 s',
      '3 min',
    ]);
    expect([3.44, 28.4, 121].map(formatRate)).toEqual(['3.4', '28', '121']);
    expect([formatLayers(3, 3), formatLayers(10, 19)]).toEqual(['layer 3', 'layers 10–19']);
  });
});

describe('the pulse in the header', () => {
  const node = (state: string) => ({ id: 'a', kind: 'tab', state });
  const status = (states: string[], uncovered: object[]) =>
    statusSchema.parse({
      nodes: states.map(node),
      models: [{ id: 'm', layers: 30, uncovered, more: 1 }],
      sessions: 0,
    });

  it('says how many nodes are there and whether an answer can start', () => {
    const texts = [
      describePulse(status(['ready', 'serving', 'lost'], []), false),
      describePulse(status(['ready'], [{ first: 10, last: 19 }]), false),
      describePulse(status([], [{ first: 0, last: 29 }]), false),
      describePulse(undefined, false),
      describePulse(undefined, true),
    ].map(({ text }) => text);
    expect(texts).toEqual([
      '2 nodes · model ready',
      '1 node · layers 10–19 missing',
      'No nodes yet · model not loaded',
      'Looking …',
      'Server unreachable',
    ]);
  });
});

import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { parseServerOptions } from '#server/options.ts';

const parse = (...args: string[]) => parseServerOptions(args, {});

test('defaults, and --port over PORT', () => {
  expect(parse()).toMatchObject({
    port: 3000,
    host: '127.0.0.1',
    tls: { kind: 'off' },
    model: 'smollm2-135m-instruct',
    minStages: 1,
    publicPrompt: null,
    drafts: true,
    narrowWire: true,
    seedVolunteer: true,
    ledger: true,
    logLevel: 'info',
  });
  expect(parseServerOptions([], { PORT: '4000' })?.port).toBe(4000);
  expect(parseServerOptions(['--port', '0'], { PORT: '4000' })?.port).toBe(0);
  expect(parse('--help')).toBeNull();
});

test('--no-ledger', () => {
  expect(parse('--no-ledger')?.ledger).toBe(false);
});

test('--log-level names a level', () => {
  expect(parse('--log-level', 'debug')?.logLevel).toBe('debug');
  expect(parse('--log-level', 'silent')?.logLevel).toBe('silent');
});

test('--no-drafts tells the last node nothing', () => {
  expect(parse('--no-drafts')?.drafts).toBe(false);
});

test('--no-narrow-wire sends rows as they are', () => {
  expect(parse('--no-narrow-wire')?.narrowWire).toBe(false);
});

test('--public-prompt names a file', () => {
  expect(parse('--public-prompt', '/prompts/system.txt')?.publicPrompt).toBe('/prompts/system.txt');
});

test('--tls takes two files, or self', () => {
  expect(parse('--tls', 'self')?.tls).toEqual({ kind: 'self' });
  expect(parse('--tls', 'a.crt', 'a.key')?.tls).toMatchObject({ kind: 'files' });
});

test.each([
  [['--port', 'x']],
  [['--port', '65536']],
  [['--stages', '0']],
  [['--log-level', 'loud']],
  [['--model', '../x']],
  [['--tls', 'a.crt']],
  [['--tls', 'self', 'b']],
  [['--nonsense']],
  [['stray']],
])('%j is refused with a code', (args) => {
  try {
    parse(...args);
    expect.unreachable();
  } catch (error) {
    expect(isFault(error, 'server/config')).toBe(true);
  }
});

import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseVolunteerOptions } from '#server/volunteer/options.ts';

describe('the command line of a volunteer', () => {
  it('takes any link to the server, and only its origin counts', () => {
    const options = parseVolunteerOptions(['--join', 'https://a.example:8443/volunteer?x=1#y']);
    expect(options).toEqual({
      serverUrl: 'https://a.example:8443',
      dataDir: resolve('.data/volunteer'),
      memoryLentBytes: null,
      relayOnly: false,
      insecure: false,
    });
  });

  it('reads every option', () => {
    const args = ['--join', 'http://localhost:3000', '--data', '/d', '--memory', '512'];
    expect(parseVolunteerOptions([...args, '--relay-only', '--insecure'])).toMatchObject({
      ...{ dataDir: '/d', memoryLentBytes: 512 * 1024 * 1024, relayOnly: true, insecure: true },
    });
    expect(parseVolunteerOptions(['--help'])).toBe(null);
  });

  it.each([
    [[]],
    [['--join', 'not a link']],
    [['--join', 'ftp://a']],
    [['--join', 'http://a', '--memory', 'much']],
    [['--join', 'http://a', '--memory', '1']],
    [['--join', 'http://a', '--unknown']],
  ])('refuses %j with a sentence', (args) => {
    expect(() => parseVolunteerOptions(args)).toThrow(
      expect.objectContaining({ code: 'server/config' }) as Error,
    );
  });
});

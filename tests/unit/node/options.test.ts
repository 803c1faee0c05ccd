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
      threads: null,
      relayOnly: false,
      insecure: false,
    });
  });

  it('reads every option', () => {
    const args = ['--join', 'http://localhost:3000', '--data', '/d', '--memory', '512'];
    const more = ['--threads', '2', '--relay-only', '--insecure'];
    expect(parseVolunteerOptions([...args, ...more])).toMatchObject({
      ...{ dataDir: '/d', memoryLentBytes: 512 * 1024 * 1024, relayOnly: true, insecure: true },
      threads: 2,
    });
    expect(parseVolunteerOptions(['--help'])).toBe(null);
  });

  it.each([
    [[]],
    [['--join', 'not a link']],
    [['--join', 'ftp://a']],
    [['--join', 'http://a', '--memory', 'much']],
    [['--join', 'http://a', '--memory', '1']],
    [['--join', 'http://a', '--threads', '0']],
    [['--join', 'http://a', '--threads', '17']],
    [['--join', 'http://a', '--threads', '1.5']],
    [['--join', 'http://a', '--unknown']],
  ])('refuses %j with a sentence', (args) => {
    expect(() => parseVolunteerOptions(args)).toThrow(
      expect.objectContaining({ code: 'server/config' }) as Error,
    );
  });
});

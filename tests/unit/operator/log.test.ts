import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { InvariantError } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { NodeId, SessionId } from '#lib/kernel/ids.ts';
import type { FailoverEntry } from '#server/orchestrator/log.ts';
import { LEVEL_OF, LOG_LEVELS, type LogLevel } from '#server/operator/entries.ts';
import { errorFacts } from '#server/operator/error-facts.ts';
import { createLog } from '#server/operator/log.ts';
import { failoversIn } from '#server/operator/read-log.ts';
import { boundedSink } from '#server/operator/stdout-sink.ts';

const node = 'a'.repeat(64) as NodeId;
const session = 'b'.repeat(32) as SessionId;
const FAILOVER: FailoverEntry = {
  event: 'failover',
  ...{ session, epoch: 2, node, cause: 'silent' },
  ...{ detectMs: 2_004, planMs: 1, loadMs: 310, replayMs: 85, totalMs: 2_400 },
};

function logAt(level: LogLevel) {
  let text = '';
  const log = createLog(level, { write: (line) => void (text += line) });
  const lines = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, text: () => text };
}

test('[O2] an event is one line of JSON with level, time and what belongs to it, no more', () => {
  const { log, lines } = logAt('info');
  log.write({ event: 'node-lost', node, cause: 'left' });
  log.write(FAILOVER);
  log.write({ event: 'load-failed', node, code: 'engine/out-of-memory' });
  expect(lines()).toEqual([
    { level: 'info', time: expect.any(String) as string, event: 'node-lost', node, cause: 'left' },
    { level: 'info', time: expect.any(String) as string, ...FAILOVER },
    {
      ...{ level: 'warn', time: expect.any(String) as string },
      ...{ event: 'load-failed', node, code: 'engine/out-of-memory' },
    },
  ]);
  const [{ time }] = lines() as [{ time: string }];
  expect(new Date(time).toISOString()).toBe(time);
});

test('[O2] a line break in what a node says of itself makes no second line', () => {
  const { log, lines } = logAt('info');
  log.write({ event: 'node-joined', node, device: 'x\n{"event":"failover"}\u2028' });
  expect(lines()).toHaveLength(1);
});

test('[O2] the level is a bar: louder entries pass, quieter ones do not', () => {
  const passed = (level: LogLevel): number => {
    const { log, lines } = logAt(level);
    log.write({ event: 'fault', request: null, error: { name: 'Error', at: [] } });
    log.write({ event: 'load-failed', node, code: 'kernel/timeout' });
    log.write({ event: 'stopping' });
    log.write({ event: 'refused', door: 'api', code: 'refuse.queue' });
    return lines().length;
  };
  expect(LOG_LEVELS.map(passed)).toEqual([0, 1, 2, 3, 4, 4, 0]);
  expect(LEVEL_OF.refused).toBe('debug');
});

test('[O3] an error tells where, and its message only where we wrote it', () => {
  const secret = 'my diagnosis\nsecond line of it\n    at home';
  const foreign = new SyntaxError(secret);
  const ours = new FaultError('package/malformed', 'the tokenizer is not JSON', { cause: foreign });
  const facts = errorFacts(ours);
  expect(facts).toMatchObject({
    ...{ name: 'FaultError', code: 'package/malformed', message: 'the tokenizer is not JSON' },
    cause: { name: 'SyntaxError' },
  });
  expect(facts.at[0]).toContain('log.test.ts');
  expect(facts.cause).not.toHaveProperty('message');
  expect(errorFacts(new InvariantError('rows are finite')).message).toBe('rows are finite');
  expect(errorFacts(secret)).toEqual({ name: 'string', at: [] });
  for (const error of [ours, foreign, secret]) {
    expect(JSON.stringify(errorFacts(error))).not.toMatch(/diagnosis|second line|at home/);
  }
});

test('[O3] a chain of causes that never ends is cut', () => {
  const loop = new Error('round');
  loop.cause = loop;
  expect(JSON.stringify(errorFacts(loop)).match(/"cause"/g)).toHaveLength(3);
});

test('[O4] a reader that stands still costs lines, not memory; one that is gone costs nothing else', () => {
  const stuck = new Writable({ write: () => undefined });
  const sink = boundedSink(stuck);
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 3_000; i += 1) sink.write(line);
  expect(stuck.writableLength).toBeLessThanOrEqual(1_026 * 1024);
  expect(sink.dropped).toBeGreaterThan(1_900);

  const gone = new Writable({ write: (_line, _encoding, done) => done(new Error('EPIPE')) });
  const to = boundedSink(gone);
  to.write(line);
  return expect.poll(() => to.dropped).toBe(1);
});

test('[O5] failovers are read back from a server’s output; other lines, cut ones too, are passed over', () => {
  const { log, text } = logAt('info');
  log.write(FAILOVER);
  const line = text();
  const output = `ready http://localhost:1\n{"event":"plan"}\n${line}${line}{"event":"failover"}\n${line.slice(0, 90)}`;
  expect(failoversIn(output)).toEqual([FAILOVER, FAILOVER]);
});

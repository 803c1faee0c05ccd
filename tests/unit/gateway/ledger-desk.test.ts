import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { instantMs } from '#lib/kernel/units.ts';
import { decodeAnswer, type Reply } from '#lib/ledger/client/wire/answers.ts';
import type { Question } from '#lib/ledger/client/wire/requests.ts';
import { LedgerDesk } from '#server/gateway/doors/ledger/desk.ts';

const LIMITS = {
  ...{ questionsOpenMax: 3, questionsPerAddressMax: 2, blocksOpenMax: 1 },
  ...{ ledgerBytesPerSecond: 1_000, ledgerBytesBurst: 3_000 },
  ...{ ledgerAddressBytesPerSecond: 100, ledgerAddressBytesBurst: 1_000 },
};
const PATH = Array.from({ length: 50 }, () => new Uint8Array(32));
const small: Reply = { type: 'epoch-ends', ends: [] };
/** 1 600 bytes and a few. */
const large: Reply = { type: 'history', path: PATH };

/** A desk before a ledger that answers when it is told to. */
function setUp() {
  const open: ((reply: Reply) => void)[] = [];
  const at = { ms: 0 };
  const desk = new LedgerDesk(
    {
      genesis: () => Promise.resolve(new Uint8Array(0)),
      serve: () => new Promise((resolve) => open.push(resolve)),
    },
    LIMITS,
    { now: () => instantMs(at.ms) },
  );
  const ask = async (from: string, question: Question = { type: 'status' }) => {
    const answer = decodeAnswer(await desk.ask({ ...question, tag: 7 }, from));
    if (isFault(answer)) throw answer;
    expect(answer.tag).toBe(7);
    return answer.type === 'refused' ? `${answer.code} ${answer.retryAfterMs}` : answer.type;
  };
  const answerAll = (reply: Reply) => open.splice(0).forEach((end) => end(reply));
  return { ask, answerAll, at };
}

test('[G34] a household of many IPv6 addresses is one, and all together are bounded', async () => {
  const { ask, answerAll } = setUp();
  const waiting = [ask('2001:db8:1:2::1'), ask('2001:db8:1:2:3:4:5:6')];
  expect(await ask('2001:db8:1:2::9')).toBe('ledger/busy 1000');
  waiting.push(ask('2001:db8:1:3::1'));
  expect(await ask('192.0.2.1')).toBe('ledger/busy 1000');
  answerAll(small);
  expect(await Promise.all(waiting)).toEqual(['epoch-ends', 'epoch-ends', 'epoch-ends']);
  const again = ask('2001:db8:1:2::9');
  answerAll(small);
  expect(await again).toBe('epoch-ends');
});

test('[G34] few ask for blocks at once: links to replicas hold no more', async () => {
  const { ask, answerAll } = setUp();
  const blocks = { type: 'blocks', from: 1, count: 256 } as const;
  const first = ask('192.0.2.1', blocks);
  expect(await ask('192.0.2.2', blocks)).toBe('ledger/busy 1000');
  const other = ask('192.0.2.2');
  answerAll(small);
  expect(await Promise.all([first, other])).toEqual(['epoch-ends', 'epoch-ends']);
  const again = ask('192.0.2.2', blocks);
  answerAll(small);
  expect(await again).toBe('epoch-ends');
});

test('[G34] who was told much waits until time has made up for it, and so do all together', async () => {
  const { ask, answerAll, at } = setUp();
  const told = async (from: string): Promise<string> => {
    const asked = ask(from);
    answerAll(large);
    return asked;
  };
  expect(await told('192.0.2.1')).toBe('history');
  expect(await told('192.0.2.1')).toMatch(/^ledger\/busy 6\d{3}$/);
  expect(await told('192.0.2.2')).toBe('history');
  // All together are above 3 000 now, by 200 bytes and a few.
  expect(await told('192.0.2.3')).toMatch(/^ledger\/busy 2\d\d$/);
  at.ms = 300;
  expect(await told('192.0.2.3')).toBe('history');
  at.ms = 8_000;
  expect(await told('192.0.2.1')).toBe('history');
});

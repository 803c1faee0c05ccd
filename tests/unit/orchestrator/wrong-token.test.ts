import { expect, it } from 'vitest';
import type { Epoch, Place } from '#lib/kernel/ids.ts';
import type { AnswerRequest } from '#server/orchestrator/answers.ts';
import { OrchestratorDriver } from '#tests/support/orchestrator-driver.ts';
import { nodeId } from '#tests/support/placement.ts';

/** What the scripted nodes sample. */
const IDS = Array.from({ length: 16 }, (_, index) => 500 + index);

const CASES: [string, number, Partial<AnswerRequest>][] = [
  ['[M7] a token that no vocabulary has', 1 << 20, {}],
  [
    '[S8] a token that the answer may not have',
    3,
    { mayFollow: (acceptedIds, id) => id === IDS[acceptedIds.length] },
  ],
];

it.each(CASES)('%s fences its sampler, and the answer goes on elsewhere', (...given) => {
  const [, id, change] = given;
  const driver = new OrchestratorDriver({ minStages: 3 });
  [0, 1, 2].forEach((n) => driver.join(n));
  driver.pass(500);
  const session = driver.start(1, change);
  driver.pass(700);
  const [place] = driver.view().routes.flatMap((route) => route.places.slice(-1));
  const liar = [0, 1, 2].find((n) => nodeId(n) === place?.node) ?? 0;
  const index = driver.tokens(session).length;
  const at = { session, epoch: 1 as Epoch, place: 2 as Place, index };
  driver.say(liar, { type: 'session', message: { type: 'token', ...at, id, last: false } });
  const fenced = driver.outputs.flatMap((output) => (output.type === 'fence' ? [output] : []));
  expect(fenced.map(({ node, reason }) => [node, reason.code])).toEqual([
    [nodeId(liar), 'engine/wrong-answer'],
  ]);
  driver.pass(5_000);
  expect(driver.tokens(session)).toEqual(IDS);
});

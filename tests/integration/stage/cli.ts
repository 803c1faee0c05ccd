import { GUESSING, makeRing, TWO_PLACES } from '#tests/support/drafted-ring.ts';
import { goldenRows } from '#tests/support/golden.ts';
import { sampledPrompt, sampledRows } from '#tests/support/sampled.ts';

/** All golden and all sampled rows with ids guessed wherever they can be: exit 1 where one differs. */
const ring = await makeRing(TWO_PLACES, { drafting: 'always' });
const said = (text: string): boolean => process.stdout.write(`${text}\n`);

async function check(
  name: string,
  request: Parameters<typeof ring.answer>[0],
  ids: readonly number[],
): Promise<void> {
  const answer = await ring.answer({ ...request, choosing: { ...request.choosing, ...GUESSING } });
  const same = answer.join() === ids.join();
  said(`${same ? 'equal' : 'OTHER IDS'} ${name}`);
  if (!same) process.exitCode = 1;
}

try {
  for (const { name, promptIds, greedyIds } of goldenRows())
    await check(name, { promptIds, maxTokens: greedyIds.length }, greedyIds);
  for (const { name, params, ids } of sampledRows()) {
    const choosing = { sampling: params };
    await check(name, { promptIds: sampledPrompt(), maxTokens: ids.length, choosing }, ids);
  }
} finally {
  ring.end();
}

import { expect, test } from 'vitest';
import { isFault } from '#lib/kernel/errors.ts';
import { seededRandom } from '#lib/kernel/random.ts';
import type { Source } from '#lib/ledger/client/source.ts';
import { decodeAnswer, encodeAnswer } from '#lib/ledger/client/wire/answers.ts';
import { gatewayAnswer } from '#tests/support/ledger/client-port.ts';
import { clientOf, ledger, pinAt } from '#tests/support/ledger/light-clients.ts';

const RUNS = 800;

/**
 * Answers with some bytes changed, cut, doubled, or those to another question: the light client says what
 * is true, or that it cannot know; never anything else.
 */
test('[L6] whatever bytes a source sends, the truth is believed or nothing', async () => {
  const cluster = ledger(5);
  cluster.rotate(1, 'new vote 1');
  cluster.submit(cluster.world.sign(cluster.world.grant('late')));
  // Who is there from which block on.
  const since = new Map([
    ['ann', 1],
    ['late', Number(cluster.world.sequence)],
    ['nobody', Infinity],
  ]);
  let believed = 0;
  for (let seed = 1; seed <= RUNS; seed += 1) {
    const random = seededRandom(seed);
    const earlier: Uint8Array[] = [];
    const source: Source = {
      name: 'fuzz',
      ask(question) {
        const told = encodeAnswer({ ...gatewayAnswer(cluster, question), tag: 1 });
        earlier.push(told);
        const answer = decodeAnswer(random.chance(0.5) ? told : changed(told));
        return isFault(answer) ? Promise.reject(answer) : Promise.resolve(answer);
      },
    };
    const changed = (told: Uint8Array): Uint8Array => {
      if (random.chance(0.1)) return random.pick(earlier);
      const bytes = Uint8Array.from(told);
      for (let i = random.below(3); i >= 0; i -= 1) {
        bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      }
      return random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    };
    const client = clientOf(cluster, { sources: [source], pin: pinAt(cluster, 1) });
    for (const [name, first] of since) {
      try {
        const { value, head } = await client.accountOf(cluster.world.key(name));
        const micro = head.sequence >= first ? 1_000n : null;
        expect([seed, name, value?.starterMicro ?? null]).toEqual([seed, name, micro]);
        believed += 1;
      } catch (error) {
        if (!isFault(error)) throw error;
      }
    }
  }
  // Not by refusing all.
  expect(believed).toBeGreaterThan(RUNS / 4);
});

import fc from 'fast-check';

/** Arbitrary logits, settings, places in an answer and grammars' masks, of up to 300 ids. */
export const logits = fc
  .array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 300 })
  .map((values) => Float32Array.from(values, (value) => value / 4));
export const params = fc.record({
  temperature: fc.double({ min: 0.05, max: 3, noNaN: true }),
  topK: fc.integer({ min: 0, max: 40 }),
  topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
  minP: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
  typicalP: fc.oneof(fc.constant(1), fc.double({ min: 0.01, max: 1, noNaN: true })),
  seed: fc.nat(2 ** 31 - 1),
  choice: fc.nat(3),
  logprobs: fc.constant(null),
  penalties: fc.option(
    fc.record({
      repetition: fc.double({ min: 0.5, max: 2, noNaN: true }),
      presence: fc.double({ min: -2, max: 2, noNaN: true }),
      frequency: fc.double({ min: -2, max: 2, noNaN: true }),
      bias: fc.uniqueArray(fc.tuple(fc.nat(299), fc.double({ min: -100, max: 100, noNaN: true })), {
        maxLength: 5,
        selector: ([id]) => id,
      }),
    }),
  ),
});
const ids = fc.array(fc.nat(299), { maxLength: 20 });
const history = fc.record({ promptIds: ids, answerIds: ids });
export const point = fc.record({ index: fc.nat(1000), history });
/** Masks of 300 ids; the first one may always come. */
export const mask = fc
  .uint32Array({ minLength: 10, maxLength: 10 })
  .map(([first = 0, ...others]) => Uint32Array.of(first | 1, ...others));

import fc from 'fast-check';

/** Schemas of the supported kind, and documents that fit them. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const NAMES = ['name', 'names', 'nam', 'naïve', '日本', '"quoted"', 'a b', 'x\ny', '🦊', ''];

const object = (properties: JsonSchema, required = Object.keys(properties)): JsonSchema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

/** What models are asked for, and where grammars go wrong. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  person: object({
    name: { type: 'string', description: 'as in the passport' },
    age: { type: 'integer' },
    tags: { type: 'array', items: { type: 'string' }, maxItems: 4 },
    address: object({
      street: { type: 'string' },
      kind: { enum: ['home', 'work', 'home office'] },
    }),
    score: { type: 'number' },
    isNew: { type: 'boolean' },
  }),
  optional: object({ a: { type: 'integer' }, b: { type: 'null' }, c: { type: 'boolean' } }, ['b']),
  allOptional: object({ name: { type: 'null' }, names: { type: 'null' }, nam: { const: 1 } }, []),
  tree: {
    $defs: {
      node: object({
        value: { type: 'integer' },
        kids: { type: 'array', items: { $ref: '#/$defs/node' } },
      }),
    },
    $ref: '#/$defs/node',
  },
  list: object({ head: { type: 'integer' }, tail: { anyOf: [{ $ref: '#' }, { type: 'null' }] } }),
  optionalChain: object({ next: { $ref: '#' } }, []),
  literals: { enum: [1, 12, 1.5, -1, 'one', 'one more', true, null, 1e21, 'caf\u00e9 \u{40000}'] },
  shapes: {
    anyOf: [
      object({ kind: { const: 'circle' }, radius: { type: 'number' } }),
      object({ kind: { const: 'square' }, side: { type: 'number' } }),
      object({ kind: { const: 'circle' }, diameter: { type: 'integer' } }),
    ],
  },
  bounded: { type: 'string', minLength: 50, maxLength: 150 },
  longList: { type: 'array', items: { enum: [0, 1] }, minItems: 60, maxItems: 110 },
  matrix: {
    type: 'array',
    items: { type: 'array', items: { type: 'number' }, minItems: 2, maxItems: 2 },
    minItems: 1,
    maxItems: 3,
  },
  maybe: object({ text: { type: ['string', 'null'], maxLength: 3 }, empty: { maxItems: 0 } }),
  twins: {
    $defs: {
      a: { anyOf: [object({ k: { $ref: '#/$defs/a' } }), object({ k: { $ref: '#/$defs/b' } })] },
      b: { anyOf: [{ $ref: '#/$defs/a' }, { type: 'null' }] },
    },
    $ref: '#/$defs/b',
  },
  open: { type: 'object' },
  anything: { title: 'any value' },
};

const bounds = (unit: string, most: number): fc.Arbitrary<JsonSchema> =>
  fc.tuple(fc.option(fc.nat(most)), fc.option(fc.nat(most))).map(([min, more]) => ({
    ...(min === null ? {} : { [`min${unit}`]: min }),
    ...(more === null ? {} : { [`max${unit}`]: (min ?? 0) + more }),
  }));

/** Schemas three levels deep. */
export const schemas: fc.Arbitrary<JsonSchema> = fc.letrec<{ schema: JsonSchema }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 2, depthIdentifier: 'schema' },
    fc.oneof(
      fc.constantFrom(...['integer', 'number', 'boolean', 'null'].map((type) => ({ type }))),
      bounds('Length', 12).map((range) => ({ type: 'string', ...range })),
      fc
        .uniqueArray(fc.oneof(fc.string(), fc.integer()), { minLength: 1, maxLength: 6 })
        .map((members) => ({ enum: members })),
    ),
    fc
      .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 })
      .chain((names) =>
        fc
          .tuple(
            fc.array(tie('schema'), { minLength: names.length, maxLength: names.length }),
            fc.subarray(names),
          )
          .map(([values, required]) =>
            object(Object.fromEntries(names.map((name, i) => [name, values[i]])), required),
          ),
      ),
    fc.tuple(tie('schema'), bounds('Items', 3)).map(([items, range]) => ({
      type: 'array',
      items,
      ...range,
    })),
    fc.array(tie('schema'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
})).schema;

/** Where a recursive schema's documents stop going deeper. */
const DEPTH = 3;
/** Code points that SmolLM2 can spell, quotes, controls and emoji among them. */
const character = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x3ffff }),
  )
  .map((point) => String.fromCodePoint(point));

/** Documents that fit a schema, keys in its order; few of a recursive one. */
export function documentsOf(schema: JsonSchema, root = schema, depth = 0): fc.Arbitrary<unknown> {
  const of = (inner: unknown): fc.Arbitrary<unknown> =>
    documentsOf(inner as JsonSchema, root, depth + 1);
  if (typeof schema['$ref'] === 'string') {
    const path = schema['$ref'].split('/').slice(1);
    return of(path.reduce<unknown>((at, name) => (at as JsonSchema)[name], root));
  }
  if (Array.isArray(schema['anyOf'])) {
    const alternatives: readonly unknown[] = schema['anyOf'];
    return depth > DEPTH ? of(alternatives.at(-1)) : fc.oneof(...alternatives.map(of));
  }
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as unknown[]));
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['type'])) {
    return fc.oneof(...schema['type'].map((type: unknown) => of({ ...schema, type })));
  }
  return typed(schema, of, depth > DEPTH);
}

function typed(
  schema: JsonSchema,
  of: (inner: unknown) => fc.Arbitrary<unknown>,
  isDeep: boolean,
): fc.Arbitrary<unknown> {
  const count = (name: string): number | undefined => schema[name] as number | undefined;
  switch (schema['type'] ?? ('maxItems' in schema ? 'array' : 'any')) {
    case 'object':
      return objects(schema, of, isDeep);
    case 'array': {
      const minLength = count('minItems') ?? 0;
      if (isDeep && minLength === 0) return fc.constant([]);
      const maxLength = isDeep ? minLength : (count('maxItems') ?? 3);
      return fc.array(of(schema['items'] ?? {}), { minLength, maxLength });
    }
    case 'string': {
      const minLength = count('minLength') ?? 0;
      const maxLength = count('maxLength') ?? minLength + 8;
      return fc.string({ unit: character, minLength, maxLength });
    }
    case 'integer':
      return fc.integer({ min: -(10 ** 15) + 1, max: 10 ** 15 - 1 });
    case 'number':
      return fc.double({ min: -1e307, max: 1e307, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function objects(
  schema: JsonSchema,
  of: (inner: unknown) => fc.Arbitrary<unknown>,
  isDeep: boolean,
): fc.Arbitrary<unknown> {
  if (!schema['properties']) return fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 1 }));
  const required = (schema['required'] ?? []) as readonly string[];
  const entries = Object.entries(schema['properties']).map(([name, inner]) => {
    const entry = () => of(inner).map((value): [string, unknown][] => [[name, value]]);
    if (required.includes(name)) return entry();
    return isDeep ? fc.constant([]) : fc.oneof(fc.constant([]), entry());
  });
  return fc.tuple(...entries).map((each) => Object.fromEntries(each.flat()) as unknown);
}

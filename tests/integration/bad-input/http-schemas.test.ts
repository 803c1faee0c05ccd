import { expect, test } from 'vitest';
import { ASK, CHAT, refused, underAttack } from './http-rig.ts';

/** C7: schemas that no answer fits, or that would cost more than an answer. */
const MIB = 2 ** 20;
const REFUSED_MS = 100;
const TRIES = 5;
const REFUSAL = {
  status: 400,
  code: expect.stringMatching(/^(invalid_value|unsupported_parameter)$/) as string,
  param: 'response_format',
};

const nested = (depth: number, open: string, shut: string): string =>
  `${open.repeat(depth)}{}${shut.repeat(depth)}`;
const many = (count: number, of: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => of(i)).join(',');
const names = (count: number): string => many(count, (i) => `"property-${i}":{"type":"null"}`);
/** Each anyOf has two of the next, and a value of its own: 2³⁰ ways, were they written out. */
const DOUBLING = many(70, (i) => {
  const next = `{"$ref":"#/$defs/d${i + 1}"}`;
  return `"d${i}":{"anyOf":[{"const":${i}},${next},${next}]}`;
});

/** As JSON text: some of it would not survive being written by us. */
const HOSTILE: Readonly<Record<string, string>> = {
  'a reference to itself': '{"$ref":"#"}',
  'references in a circle':
    '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}',
  'a list of itself that may not be empty': '{"type":"array","items":{"$ref":"#"},"minItems":1}',
  'an object that needs itself':
    '{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"],"additionalProperties":false}',
  'a megabyte of properties': `{"type":"object","properties":{${names(24_000)}}}`,
  'a quarter of a megabyte of properties': `{"type":"object","properties":{${names(6_000)}}}`,
  'one long name': `{"type":"object","properties":{"${'n'.repeat(200_000)}":{}}}`,
  'one long pattern': `{"type":"string","pattern":"${'(a+)+'.repeat(20_000)}"}`,
  'half a million levels': nested(70_000, '{"items":', '}'),
  'levels where nobody looks': `{"type":"null","default":${nested(450_000, '[', ']')}}`,
  'anyOf upon anyOf': nested(9_000, '{"anyOf":[', ']}'),
  'alternatives that double': `{"$ref":"#/$defs/d0","$defs":{${DOUBLING},"d70":{"type":"null"}}}`,
  'a hundred thousand members': `{"enum":[${many(40_000, String)}]}`,
  'keys of the language': '{"__proto__":{"type":"object"},"constructor":{},"toString":1}',
  'a reference to the language': '{"$ref":"#/__proto__/constructor"}',
  'types of the language': '{"type":"constructor"}',
  'a reference to a list’s length': '{"$ref":"#/anyOf/length","anyOf":[]}',
  'counts that are none': '{"type":"array","minItems":1e308,"maxItems":-1}',
};

test('[C7] hostile schemas are refused by code within 100 ms, and nobody else notices', () =>
  underAttack(async (server) => {
    for (const [name, schema] of Object.entries(HOSTILE)) {
      const format = `{"type":"json_schema","json_schema":{"name":"x","schema":${schema}}}`;
      const body = `${JSON.stringify(ASK).slice(0, -1)},"response_format":${format}}`;
      expect([name, body.length < MIB]).toEqual([name, true]);
      const times: number[] = [];
      // Of the processor, client's part too: others use the machine as well.
      while (times.length < TRIES && !times.some((ms) => ms < REFUSED_MS)) {
        const before = process.cpuUsage();
        const refusal = await refused(server, { path: CHAT, body });
        const { user, system } = process.cpuUsage(before);
        times.push((user + system) / 1000);
        expect([name, refusal]).toEqual([name, REFUSAL]);
      }
      expect([name, Math.min(...times) < REFUSED_MS]).toEqual([name, true]);
    }
    expect(({} as Record<string, unknown>)['type']).toBeUndefined();
  }));

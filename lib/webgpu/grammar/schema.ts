import { utf8 } from '#lib/kernel/bytes.ts';
import { flattened } from './alternatives.ts';
import { pointTo } from './json-pointer.ts';
import type { GrammarLimits } from './limits.ts';
import { NODE, type GrammarNode } from './nodes.ts';
import { invalid, tooManyAlternatives, unsupported } from './refuse.ts';
import { escaped } from './string-chars.ts';
import { createWordTree, type WordTree } from './words.ts';

type Schema = Readonly<Record<string, unknown>>;
type Type = keyof typeof KEYWORDS;

/** What is supported, by type; anything else is refused by name. */
const KEYWORDS = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength'],
  number: [],
  integer: [],
  boolean: [],
  null: [],
} as const satisfies Record<string, readonly string[]>;

/** They say nothing about which values fit. */
const ANNOTATIONS = new Set([
  ...['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default'],
  ...['examples', 'deprecated', 'readOnly', 'writeOnly'],
]);

const PRELUDE: readonly GrammarNode[] = [
  {
    kind: 'any-of',
    alternatives: [NODE.map, NODE.list, NODE.text, NODE.number, NODE.boolean, NODE.null],
  },
  { kind: 'map' },
  { kind: 'array', items: NODE.any, min: 0, max: Infinity },
  { kind: 'string', min: 0, max: Infinity },
  { kind: 'number', isInteger: false },
  { kind: 'words', words: createWordTree([utf8('true'), utf8('false')]) },
  { kind: 'words', words: createWordTree([utf8('null')]) },
];

export interface ReadOptions {
  readonly limits: GrammarLimits;
  /** Whether the vocabulary has a token for each of these bytes. */
  readonly canSpell: (bytes: Uint8Array) => boolean;
}

/**
 * The nodes of a JSON schema, or of any JSON object ('json').
 * @throws FaultError as `compileGrammar` does.
 */
export function readSchema(
  schema: unknown,
  options: ReadOptions,
): { readonly nodes: readonly GrammarNode[]; readonly root: number } {
  if (schema === 'json') return { nodes: PRELUDE, root: NODE.map };
  const reader = new SchemaReader(schema, options);
  const root = reader.read(schema, '#', 0);
  return { nodes: flattened(reader.nodes, options.limits), root };
}

/** Where in the schema something is read. */
interface Place {
  readonly path: string;
  readonly depth: number;
}

class SchemaReader {
  readonly nodes: GrammarNode[] = [...PRELUDE];
  readonly #document: unknown;
  readonly #options: ReadOptions;
  /** Each schema is read once: that ends recursion, and equal references share a node. */
  readonly #indexes = new Map<object, number>();
  #members = 0;
  #chars = 0;

  constructor(document: unknown, options: ReadOptions) {
    this.#document = document;
    this.#options = options;
  }

  /** The index of a schema's node. */
  read(schema: unknown, path: string, depth: number): number {
    if (schema === true) return NODE.any;
    if (!isRecord(schema)) throw invalid(path, 'no schema');
    const known = this.#indexes.get(schema);
    if (known !== undefined) return known;
    const { nodesMax, schemaDepthMax } = this.#options.limits;
    if (depth > schemaDepthMax) {
      throw unsupported(path, `schemas nested deeper than ${schemaDepthMax}`);
    }
    const index = this.nodes.push({ kind: 'any-of', alternatives: [] }) - 1;
    if (index >= nodesMax) throw unsupported('#', `more than ${nodesMax} schemas in one`);
    this.#indexes.set(schema, index);
    this.nodes[index] = this.#nodeOf(schema, { path, depth });
    return index;
  }

  #nodeOf(schema: Schema, place: Place): GrammarNode {
    const { path, depth } = place;
    const anyOf = (alternatives: number[]): GrammarNode => ({ kind: 'any-of', alternatives });
    if ('$ref' in schema) {
      allowOnly(schema, ['$ref'], path);
      return anyOf([this.#follow(schema['$ref'], place)]);
    }
    if ('anyOf' in schema) {
      allowOnly(schema, ['anyOf'], path);
      const list = listOf(schema, 'anyOf', path);
      const { alternativesMax } = this.#options.limits;
      if (list.length > alternativesMax) throw tooManyAlternatives(path, alternativesMax);
      return anyOf(list.map((each, i) => this.read(each, `${path}/anyOf/${i}`, depth + 1)));
    }
    const types = typesOf(schema, path);
    if ('const' in schema || 'enum' in schema) return this.#literals(schema, types, path);
    if (types.length === 0) {
      allowOnly(schema, [], path);
      return anyOf([NODE.any]);
    }
    const keywords = types.flatMap((type) => KEYWORDS[type]);
    allowOnly(schema, ['type', ...keywords], path);
    const [first, ...others] = types.map((type) => this.#typed(type, schema, place));
    if (first && others.length === 0) return first;
    return anyOf([first, ...others].flatMap((node) => (node ? [this.nodes.push(node) - 1] : [])));
  }

  #typed(type: Type, schema: Schema, place: Place): GrammarNode {
    switch (type) {
      case 'object':
        return this.#object(schema, place);
      case 'array': {
        const { path, depth } = place;
        const items =
          'items' in schema ? this.read(schema['items'], `${path}/items`, depth + 1) : 0;
        return { kind: 'array', items, ...rangeOf(schema, 'Items', path) };
      }
      case 'string':
        return { kind: 'string', ...rangeOf(schema, 'Length', place.path) };
      case 'number':
      case 'integer':
        return { kind: 'number', isInteger: type === 'integer' };
      case 'boolean':
      case 'null':
        return PRELUDE[NODE[type]] as GrammarNode;
    }
  }

  #object(schema: Schema, { path, depth }: Place): GrammarNode {
    const { properties, additionalProperties: more } = schema;
    const required = new Set('required' in schema ? namesOf(schema['required'], path) : []);
    if (more !== undefined && more !== false && (more !== true || properties !== undefined)) {
      throw unsupported(path, '"additionalProperties" that is not false');
    }
    if (properties === undefined && more !== false && required.size === 0) return { kind: 'map' };
    if (properties !== undefined && !isRecord(properties)) {
      throw invalid(path, '"properties" is no object');
    }
    const names = Object.keys(properties ?? {});
    if (names.length > this.#options.limits.nodesMax) {
      throw unsupported(path, `more than ${this.#options.limits.nodesMax} properties`);
    }
    for (const name of required) {
      if (!Object.hasOwn(properties ?? {}, name)) {
        throw invalid(path, `${JSON.stringify(name.slice(0, 100))} is required and no property`);
      }
    }
    const read = names.map((name) => ({
      node: this.read(properties?.[name], `${path}/properties/${name}`, depth + 1),
      isRequired: required.has(name),
    }));
    const requiredFrom = Array.from({ length: names.length + 1 }, () => names.length);
    for (let i = names.length - 1; i >= 0; i -= 1) {
      requiredFrom[i] = read[i]?.isRequired ? i : (requiredFrom[i + 1] as number);
    }
    return { kind: 'object', properties: read, keys: this.#wordTree(names, path), requiredFrom };
  }

  #literals(schema: Schema, types: readonly Type[], path: string): GrammarNode {
    allowOnly(schema, ['const', 'enum', 'type'], path);
    const listed = 'enum' in schema ? listOf(schema, 'enum', path) : [schema['const']];
    this.#members += listed.length;
    const { enumMax } = this.#options.limits;
    if (this.#members > enumMax) throw unsupported(path, `more than ${enumMax} enum members`);
    for (const value of listed) {
      if (typeof value !== 'object' || value === null) continue;
      throw unsupported(path, 'an object or array as "enum" or "const"');
    }
    const fitting = listed.filter(
      (value) =>
        (types.length === 0 || types.some((type) => isOf(value, type))) &&
        (!('const' in schema) || value === schema['const']),
    );
    if (fitting.length === 0) throw invalid(path, 'no value of "enum" or "const" fits');
    return { kind: 'words', words: this.#wordTree(fitting, path) };
  }

  /** The tree of values as JSON writes them. */
  #wordTree(values: readonly unknown[], path: string): WordTree {
    const { charsMax } = this.#options.limits;
    for (const value of values) this.#chars += typeof value === 'string' ? value.length : 1;
    if (this.#chars > charsMax)
      throw unsupported(path, `more than ${charsMax} characters of names`);
    return createWordTree(
      values.map((value) => {
        const literal = JSON.stringify(value);
        const bytes = utf8(literal);
        return this.#options.canSpell(bytes) ? bytes : utf8(escaped(literal));
      }),
    );
  }

  #follow(reference: unknown, { path, depth }: Place): number {
    if (typeof reference !== 'string') throw invalid(path, '"$ref" is no string');
    if (!reference.startsWith('#')) throw unsupported(path, 'a "$ref" out of the schema');
    const target = pointTo(this.#document, reference);
    if (target === undefined) throw invalid(path, '"$ref" points at nothing');
    return this.read(target, reference, depth + 1);
  }
}

const isRecord = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isType = (value: unknown): value is Type =>
  typeof value === 'string' && Object.hasOwn(KEYWORDS, value);

function allowOnly(schema: Schema, keywords: readonly string[], path: string): void {
  for (const name of Object.keys(schema)) {
    if (keywords.includes(name) || ANNOTATIONS.has(name)) continue;
    throw unsupported(path, `${JSON.stringify(name.slice(0, 100))} is not supported here`);
  }
}

function listOf(schema: Schema, name: string, path: string): readonly unknown[] {
  const list = schema[name];
  if (!Array.isArray(list) || list.length === 0) throw invalid(path, `"${name}" is no list`);
  return list;
}

function namesOf(list: unknown, path: string): string[] {
  if (!Array.isArray(list)) throw invalid(path, '"required" is no list');
  return list.map((name) => {
    if (typeof name !== 'string') throw invalid(path, '"required" is no list of names');
    return name;
  });
}

/** The types a schema names, or that its keywords imply; none where anything fits. */
function typesOf(schema: Schema, path: string): Type[] {
  const { type } = schema;
  if (type === undefined) {
    return (['object', 'array', 'string'] as const).filter((each) =>
      KEYWORDS[each].some((keyword) => keyword in schema),
    );
  }
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  if (types.length === 0 || types.length > Object.keys(KEYWORDS).length) {
    throw invalid(path, '"type" is no list of types');
  }
  return types.map((each) => {
    if (!isType(each)) throw invalid(path, '"type" is none of JSON Schema');
    return each;
  });
}

function isOf(value: unknown, type: Type): boolean {
  if (type === 'null') return value === null;
  if (type === 'integer') return Number.isInteger(value);
  return typeof value === type;
}

function rangeOf(schema: Schema, unit: 'Items' | 'Length', path: string) {
  const read = (name: string, otherwise: number): number => {
    const value = schema[name] ?? otherwise;
    if (value === otherwise) return otherwise;
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw invalid(path, `"${name}" is no count`);
    }
    return value as number;
  };
  const [min, max] = [read(`min${unit}`, 0), read(`max${unit}`, Infinity)];
  if (min > max) throw invalid(path, `"min${unit}" is above "max${unit}"`);
  return { min, max };
}

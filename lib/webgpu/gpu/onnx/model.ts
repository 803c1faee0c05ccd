import { bytes, encode, float, int, ints, message, text, type Message } from './protobuf.ts';

/** Element types by their numbers in `TensorProto.DataType`. */
export const ELEMENT = { float32: 1, uint8: 2, int32: 6, int64: 7, float16: 10 } as const;
export type ElementType = keyof typeof ELEMENT;

/** A dimension: fixed, or free under a name. */
export type Dim = number | string;

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly Dim[];
}

/** A constant; its bytes (little-endian, row-major) lie here or in a file beside the model. */
export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data:
    | { readonly kind: 'inline'; readonly bytes: Uint8Array }
    | {
        readonly kind: 'external';
        readonly path: string;
        readonly offset: number;
        readonly bytes: number;
      };
}

/** An attribute that is a whole number is written as INT; write a float as `{ float }`. */
export type Attribute = number | { readonly float: number };

export interface Node {
  readonly op: string;
  /** `''` is ONNX's own domain. */
  readonly domain: '' | 'com.microsoft';
  readonly name: string;
  /** An empty name leaves an optional input or output out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

/** IR 10 and opset 21 are what onnxruntime-web 1.30 was measured with. */
const IR_VERSION = 10;
const OPSETS = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

/** The bytes of a `ModelProto` (onnx.proto3; numbers below are its field numbers). */
export function encodeModel(graph: Graph): Uint8Array<ArrayBuffer> {
  return encode([
    int(1, IR_VERSION),
    text(2, 'declai'),
    message(7, graphFields(graph)),
    ...OPSETS.map(({ domain, version }) => message(8, [text(1, domain), int(2, version)])),
  ]);
}

const graphFields = (graph: Graph): Message => [
  ...graph.nodes.map((node) => message(1, nodeFields(node))),
  text(2, graph.name),
  ...graph.initializers.map((tensor) => message(5, tensorFields(tensor))),
  ...graph.inputs.map((value) => message(11, valueFields(value))),
  ...graph.outputs.map((value) => message(12, valueFields(value))),
];

const nodeFields = (node: Node): Message => [
  ...node.inputs.map((name) => text(1, name)),
  ...node.outputs.map((name) => text(2, name)),
  text(3, node.name),
  text(4, node.op),
  ...Object.entries(node.attributes).map(([name, value]) => message(5, attribute(name, value))),
  text(7, node.domain),
];

const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INT = 2;

const attribute = (name: string, value: Attribute): Message =>
  typeof value === 'number'
    ? [text(1, name), int(3, value), int(20, ATTRIBUTE_INT)]
    : [text(1, name), float(2, value.float), int(20, ATTRIBUTE_FLOAT)];

const EXTERNAL = 1;

function tensorFields({ name, type, dims, data }: Initializer): Message {
  const common = [ints(1, dims), int(2, ELEMENT[type]), text(8, name)];
  if (data.kind === 'inline') return [...common, bytes(9, data.bytes)];
  const entries = { location: data.path, offset: String(data.offset), length: String(data.bytes) };
  return [
    ...common,
    ...Object.entries(entries).map(([key, value]) => message(13, [text(1, key), text(2, value)])),
    int(14, EXTERNAL),
  ];
}

const valueFields = ({ name, type, dims }: ValueInfo): Message => [
  text(1, name),
  message(2, [message(1, [int(1, ELEMENT[type]), message(2, dims.map(dimension))])]),
];

const dimension = (dim: Dim) => message(1, [typeof dim === 'number' ? int(1, dim) : text(2, dim)]);

import { fromBinary, toJson } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { expect, it } from 'vitest';
import { encodeModel, type Graph } from '#lib/webgpu/gpu/onnx/model.ts';
import { encode, float, int, ints, text } from '#lib/webgpu/gpu/onnx/protobuf.ts';

/** Read by a protobuf library with the definitions of ONNX 1.20: a second opinion on every field. */
const read = (graph: Graph): unknown =>
  toJson(ModelProtoSchema, fromBinary(ModelProtoSchema, encodeModel(graph)));

const GRAPH: Graph = {
  name: 'two products',
  nodes: [
    {
      op: 'MatMulNBits',
      domain: 'com.microsoft',
      name: 'product',
      inputs: ['x', '', 'codes'],
      outputs: ['y', ''],
      attributes: { K: 300, axis: -1, epsilon: { float: 0.5 } },
    },
  ],
  initializers: [
    {
      name: 'shape',
      type: 'int64',
      dims: [2],
      data: { kind: 'inline', bytes: Uint8Array.of(1, 2, 255) },
    },
    {
      name: 'codes',
      type: 'uint8',
      dims: [151_936, 1, 16],
      data: { kind: 'external', path: 'head.codes', offset: 0, bytes: 5_000_000_000 },
    },
  ],
  inputs: [{ name: 'x', type: 'float32', dims: [1, 'rows', 300] }],
  outputs: [{ name: 'positions', type: 'int32', dims: [] }],
};

it('[D1] what the writer writes is what ONNX’s own definitions read', () => {
  expect(read(GRAPH)).toEqual({
    irVersion: '10',
    producerName: 'declai',
    opsetImport: [
      { domain: '', version: '21' },
      { domain: 'com.microsoft', version: '1' },
    ],
    graph: {
      name: 'two products',
      node: [
        {
          input: ['x', '', 'codes'],
          output: ['y', ''],
          name: 'product',
          opType: 'MatMulNBits',
          domain: 'com.microsoft',
          attribute: [
            { name: 'K', i: '300', type: 'INT' },
            { name: 'axis', i: '-1', type: 'INT' },
            { name: 'epsilon', f: 0.5, type: 'FLOAT' },
          ],
        },
      ],
      initializer: [
        { name: 'shape', dims: ['2'], dataType: 7, rawData: 'AQL/' },
        {
          name: 'codes',
          dims: ['151936', '1', '16'],
          dataType: 2,
          dataLocation: 'EXTERNAL',
          externalData: [
            { key: 'location', value: 'head.codes' },
            { key: 'offset', value: '0' },
            { key: 'length', value: '5000000000' },
          ],
        },
      ],
      input: [
        {
          name: 'x',
          type: {
            tensorType: {
              elemType: 1,
              shape: { dim: [{ dimValue: '1' }, { dimParam: 'rows' }, { dimValue: '300' }] },
            },
          },
        },
      ],
      output: [{ name: 'positions', type: { tensorType: { elemType: 6, shape: {} } } }],
    },
  });
});

it('[D1] tags and values are protobuf’s, byte for byte: its reader forgives wrong wire types', () => {
  expect([...encode([int(1, 0)])]).toEqual([8, 0]);
  expect([...encode([text(2, 'ab')])]).toEqual([18, 2, 97, 98]);
  expect([...encode([float(2, 0.5)])]).toEqual([21, 0, 0, 0, 63]);
  expect([...encode([ints(8, [1, 300])])]).toEqual([66, 3, 1, 0xac, 2]);
  const varint = (value: number) => [...encode([int(1, value)])].slice(1);
  expect(varint(127)).toEqual([127]);
  expect(varint(128)).toEqual([0x80, 1]);
  expect(varint(2 ** 40)).toEqual([0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
  expect(varint(-1)).toEqual([...Array<number>(9).fill(0xff), 1]);
});

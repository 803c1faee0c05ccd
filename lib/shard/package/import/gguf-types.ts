import { FaultError } from '#lib/kernel/errors.ts';
import { SOURCE_BLOCK, type SourceType } from './source-types.ts';

/** ggml's tensor types by number (ggml.h `enum ggml_type`); the gaps are types it removed. */
const GGML_TYPES: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  8: 'Q8_0',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  30: 'BF16',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

const isReadable = (name: string | undefined): name is SourceType =>
  name !== undefined && Object.hasOwn(SOURCE_BLOCK, name);

/** @throws FaultError `package/unsupported` naming tensor and type. */
export function tensorTypeOf(tensor: { name: string; type: number }): SourceType {
  const name = GGML_TYPES[tensor.type];
  if (isReadable(name)) return name;
  const known = name ?? `number ${tensor.type}`;
  const readable = Object.keys(SOURCE_BLOCK).join(', ');
  const message = `tensor ${tensor.name} is of type ${known}; readable are ${readable}`;
  throw new FaultError('package/unsupported', message);
}

import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '#lib/kernel/bytes.ts';
import type { ModelId } from '#lib/kernel/ids.ts';
import { MIB } from '#lib/kernel/units.ts';
import { importModel } from '#lib/shard/package/import/importer.ts';
import { goldenPath } from '#tests/support/golden.ts';
import { runModels } from '#tests/integration/storage/import-process.ts';
import {
  ggufBytes,
  tinyFields,
  tinyTensors,
  TINY_DATA_BYTES,
  u64,
} from '#tests/unit/package/gguf-builder.ts';

const HUGE = 2n ** 60n;
const CODE = /^package\/(malformed|too-large)$/;

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'declai-bad-file-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const tiny = (): Uint8Array<ArrayBuffer> =>
  ggufBytes({ fields: tinyFields(), tensors: tinyTensors(), dataBytes: TINY_DATA_BYTES });

/** An honest GGUF in which the 64-bit number at the first `after` + `skip` bytes is 2^60. */
function withHuge(after: string, skip: number): Uint8Array<ArrayBuffer> {
  const bytes = tiny();
  const at = Buffer.from(bytes.buffer).indexOf(after);
  if (at < 0) throw new Error(`no ${after} in the header`);
  bytes.set(u64(HUGE), at + after.length + skip);
  return bytes;
}

const GGUF: readonly (readonly [string, () => Uint8Array])[] = [
  ['cut in its header', () => tiny().slice(0, 200)],
  ['cut in its last tensor', () => tiny().slice(0, -1)],
  ['with two tensors at one place', () => overlapping()],
  ['that claims 2^60 tensors', () => ggufBytes({ tensorCount: HUGE })],
  ['that claims 2^60 keys', () => ggufBytes({ keyCount: HUGE })],
  [
    'with a key of 2^60 bytes',
    () => concatBytes([utf8('GGUF'), u32(3), u64(0), u64(1), u64(HUGE)]),
  ],
  ['with a string of 2^60 bytes', () => withHuge('general.architecture', 4)],
  ['with an array of 2^60 strings', () => withHuge('tokenizer.ggml.tokens', 8)],
  ['with a tensor 2^60 wide', () => withHuge('blk.0.attn_q.weight', 4)],
  ['with a tensor 2^60 bytes away', () => withHuge('blk.0.attn_q.weight', 24)],
];

const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
function overlapping(): Uint8Array {
  const tensors = tinyTensors();
  const [first, second] = tensors;
  if (!first || !second) throw new Error('there are two tensors');
  tensors[1] = { ...second, offset: Number(first.offset) + 32 };
  return ggufBytes({ fields: tinyFields(), tensors, dataBytes: TINY_DATA_BYTES });
}

type Tensors = Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

/** The golden folder's own file, its header changed or its bytes cut. */
async function safetensors(change: (header: Tensors, data: Uint8Array) => Uint8Array) {
  const bytes = await readFile(goldenPath('tiny/llama-mha/model.safetensors'));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Tensors;
  return change(header, bytes.subarray(8 + length));
}
const glue = (header: unknown, data: Uint8Array, claimed?: bigint): Uint8Array => {
  const json = utf8(typeof header === 'string' ? header : JSON.stringify(header));
  return concatBytes([u64(claimed ?? json.length), json, data]);
};
const named = (header: Tensors, index: number) => {
  const entry = Object.entries(header).filter(([name]) => name !== '__metadata__')[index];
  if (!entry) throw new Error(`there is no tensor ${index}`);
  return entry[1];
};

const SAFETENSORS: readonly (readonly [string, (h: Tensors, data: Uint8Array) => Uint8Array])[] = [
  ['cut in its header', (header) => glue(header, new Uint8Array(0)).subarray(0, 100)],
  ['cut in its last tensor', (header, data) => glue(header, data.subarray(0, -1))],
  ['whose header claims 2^60 bytes', (header, data) => glue(header, data, HUGE)],
  ['whose header claims all there is', (header, data) => glue(header, data, 1n << 40n)],
  [
    'with two tensors at one place',
    (header, data) => {
      named(header, 1).data_offsets = named(header, 0).data_offsets;
      named(header, 1).shape = named(header, 0).shape;
      return glue(header, data);
    },
  ],
  [
    'with a tensor 2^60 wide',
    (header, data) => {
      named(header, 0).shape = [2 ** 60];
      return glue(header, data);
    },
  ],
  [
    'with a tensor 2^60 bytes away',
    (header, data) => {
      named(header, 0).data_offsets = [2 ** 60, 2 ** 60 + 4];
      return glue(header, data);
    },
  ],
  ['nested without end', (_header, data) => glue(`{"a":${'['.repeat(1_000_000)}`, data)],
  [
    'with a tensor called __proto__',
    (header, data) =>
      glue(JSON.stringify(header).replace('{', '{"__proto__":{"dtype":"F32"},'), data),
  ],
];

/** Puts the file where an import finds it; its own folder, so that all may run at once. */
async function place(kind: 'gguf' | 'hf', bytes: Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(home, 'file-'));
  if (kind === 'gguf') {
    await writeFile(join(folder, 'model.gguf'), bytes);
    return join(folder, 'model.gguf');
  }
  await cp(goldenPath('tiny/llama-mha'), folder, { recursive: true });
  await writeFile(join(folder, 'model.safetensors'), bytes);
  return folder;
}

/** Refused with a code, nothing written, and no memory taken for what the file only claims. */
async function refused(path: string): Promise<void> {
  const root = `${path}-packages`;
  const before = process.memoryUsage().rss;
  const imported = importModel({ path, root, id: 'bad' as ModelId });
  await expect(imported).rejects.toMatchObject({ code: expect.stringMatching(CODE) as string });
  expect(process.memoryUsage().rss - before).toBeLessThan(128 * MIB);
  expect(await readdir(root, { recursive: true }).catch(() => [])).toEqual([]);
}

describe('B3 a model file from anywhere', () => {
  it('[K3] honest ones are imported, so the others are refused for what is wrong with them', async () => {
    const files = [
      await place('gguf', tiny()),
      await place('hf', await safetensors((header, data) => glue(header, data))),
    ];
    for (const path of files) {
      const { isNew } = await importModel({ path, root: `${path}-ok`, id: 'ok' as ModelId });
      expect(isNew).toBe(true);
    }
  });

  it.each(GGUF)('[K3] a GGUF file %s', async (_what, make) => {
    await refused(await place('gguf', make()));
  });

  it.each(SAFETENSORS)('[K3] a safetensors file %s', async (_what, change) => {
    await refused(await place('hf', await safetensors(change)));
  });

  it('[K3] a safetensors file cut anywhere', async () => {
    const whole = await safetensors((header, data) => glue(header, data));
    const path = await place('hf', whole);
    for (let cut = 1; cut < whole.length; cut += Math.ceil(whole.length / 40)) {
      await writeFile(join(path, 'model.safetensors'), whole.subarray(0, whole.length - cut));
      await refused(path);
    }
  });

  it('[K3] the command tells each by its code, and an import beside them is unharmed', async () => {
    const root = join(home, 'beside');
    const command = (path: string, id: string) =>
      runModels(['import', path, '--id', id, '--out', root], { under: home });
    const claims = ggufBytes({ keyCount: HUGE });
    const header = await safetensors((tensors, data) => glue(tensors, data, HUGE));
    const [gguf, folder, honest] = await Promise.all([
      command(await place('gguf', claims), 'gguf'),
      command(await place('hf', header), 'folder'),
      command(await place('gguf', tiny()), 'honest'),
    ]);
    expect([gguf.exitCode, folder.exitCode, honest.exitCode]).toEqual([1, 1, 0]);
    const codes = [gguf, folder].map(({ stdout }) => JSON.parse(stdout) as unknown);
    expect(codes).toMatchObject([
      { error: { code: 'package/malformed' } },
      { error: { code: 'package/too-large' } },
    ]);
    expect(await readdir(root)).toEqual(['honest']);
  });
});

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseModelArgs } from '#server/models/args.ts';
import { progressPrinter } from '#server/models/progress.ts';
import { goldenPath } from '#tests/support/golden.ts';

let data = '';
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'declai-cli-'));
});
afterAll(() => rm(data, { recursive: true, force: true }));

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The command as a person runs it. */
const models = (...args: string[]) =>
  new Promise<Ran>((resolve) => {
    const argv = ['--import', 'tsx', 'server/models/cli.ts', ...args];
    const child = execFile(process.execPath, argv, (_error, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr });
    });
  });

describe('npm run models', () => {
  it('[K4] imports, lists, verifies, and removes', async () => {
    const path = goldenPath('tiny/llama3-rope');
    const imported = await models('import', path, '--id', 'tiny', '--data', data);
    expect(imported).toMatchObject({ exitCode: 0 });
    expect(imported.stdout).toMatch(/^tiny imported: [0-9a-f]{64}\n$/);
    expect(imported.stderr).toContain('writing 100 %');

    const listed = await models('list', '--data', data, '--json');
    expect(JSON.parse(listed.stdout)).toMatchObject({
      models: expect.arrayContaining([
        expect.objectContaining({ id: 'tiny', layers: 4 }),
      ]) as unknown,
      broken: [],
    });

    expect((await models('verify', 'tiny', '--data', data)).stdout).toContain('all right');
    const chunks = join(data, 'models/tiny/chunks');
    const [chunk = ''] = await readdir(chunks);
    await writeFile(join(chunks, chunk), 'rotten');
    const verified = await models('verify', 'tiny', '--data', data);
    expect(verified).toMatchObject({ exitCode: 1, stdout: '' });
    expect(verified.stderr).toContain('1 corrupt');

    expect(await models('remove', 'tiny', '--data', data)).toMatchObject({ exitCode: 0 });
    expect(await readdir(join(data, 'models'))).toEqual([]);
  });

  it('[K14] prints no control characters of a file', async () => {
    const path = goldenPath('tiny/llama3-rope');
    const licence = '\u001b[2Jfree\u0007';
    await models('import', path, '--id', 'loud', '--licence', licence, '--data', data);
    const { stdout } = await models('list', '--data', data);
    expect(stdout).toContain('  \ufffd[2Jfree\ufffd  ');
    expect((await models('remove', 'loud', '--data', data)).exitCode).toBe(0);
  });

  it('[K12] tells what the conversion of weights cost', async () => {
    const path = goldenPath('gguf/tiny-q4_k_m.gguf');
    const kept = await models('import', path, '--id', 'kept', '--data', data);
    expect(kept.stdout).toMatch(/ {2}attn-v +Q6_K → Q8_0 {2}0\.\d+ % lost\n/);
    expect(kept.stdout).toMatch(/ {2}of all converted weights: 0\.\d+ % lost/);
    const options = ['--quant', 'f32', '--data', data, '--json'];
    const wide = await models('import', path, '--id', 'wide', ...options);
    expect(JSON.parse(wide.stdout)).toMatchObject({ losses: { relativeRms: 0 } });
  });

  it('[K3] tells a fault by its code', async () => {
    const path = goldenPath('tiny/qwen3/config.json');
    const refused = await models('import', path, '--id', 'q3', '--data', data, '--json');
    expect(refused.exitCode).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'package/malformed' } });
  });

  it('[K3] tells what it does not understand', async () => {
    const help = await models('--help');
    expect(help).toMatchObject({ exitCode: 0 });
    const wrong = await models('import', 'x', '--id', 'Not An Id');
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
  });
});

describe('arguments', () => {
  const hash = { path: 'a.gguf', id: 'a', quant: 'keep', name: undefined, licence: undefined };
  it('[K4] put imports under DATA/models unless --out says otherwise', () => {
    expect(parseModelArgs(['import', 'a.gguf', '--id', 'a'])).toEqual({
      command: 'import',
      root: join('.data', 'models'),
      ...hash,
    });
    expect(parseModelArgs(['import', 'a.gguf', '--id', 'a', '--out', 'o'])).toMatchObject({
      root: 'o',
    });
    expect(parseModelArgs(['list', '--data', 'd'])).toEqual({
      command: 'list',
      roots: [join('d', 'models'), join('public', 'models')],
    });
  });

  it.each([
    ['fly'],
    ['import'],
    ['import', 'a'],
    ['import', 'a.gguf', '--id', 'a', '--quant', 'q3'],
    ['remove', '../x'],
    ['list', 'a', 'b'],
    ['--wat'],
  ])('[K3] %s is not understood', (...argv) => {
    expect(() => parseModelArgs(argv)).toThrow(
      expect.objectContaining({ code: 'request/invalid' }),
    );
  });
});

describe('progress', () => {
  const draw = (isTTY: boolean): string => {
    let drawn = '';
    const print = progressPrinter({ isTTY, write: (text: string) => (drawn += text) !== '' });
    for (let doneBytes = 0; doneBytes <= 1000; doneBytes += 1) {
      print({ phase: 'write', doneBytes, totalBytes: 1000 });
    }
    return drawn;
  };

  it('[K4] is a bar drawn over itself on a terminal', () => {
    const drawn = draw(true);
    expect(drawn.split('\r').length).toBeGreaterThan(50);
    expect(drawn.endsWith('100 % of 0.0 MB\n')).toBe(true);
  });

  it('[K4] is a line for every tenth elsewhere', () => {
    expect(draw(false).trimEnd().split('\n')).toHaveLength(11);
  });
});

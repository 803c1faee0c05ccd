import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeGenesis } from '#lib/ledger/account/genesis.ts';
import { GenesisFileAccess } from '#server/ledger/access.ts';
import { genesisOf } from '#tests/support/ledger/world.ts';

test('[G34] a question that comes as the server ends makes no link to a replica', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'declai-access-'));
  try {
    const file = join(folder, 'genesis');
    const access = new GenesisFileAccess(file);
    expect(await access.serve({ type: 'status' })).toMatchObject({ code: 'ledger/no-quorum' });
    await writeFile(file, writeGenesis(genesisOf()));
    const asked = access.serve({ type: 'status' });
    access.close();
    expect(await asked).toMatchObject({ type: 'refused', code: 'server/stopping' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

import { describe, expect, test } from 'vitest';
import { OUR_CORE } from '#sim/core.ts';
import { loadCore } from '#sim/load-core.ts';
import {
  failsWithoutFaults,
  foundBy,
  loadMutant,
  mutantNames,
  storedFindings,
} from '#sim/mutants.ts';
import { runSession } from '#sim/session/run.ts';
import { applyHunk, parsePatch } from '#sim/unified-diff.ts';

const names = await mutantNames();
const findings = await storedFindings();

describe('mutants of the core', () => {
  test('at least 25, each with the seed that finds it', () => {
    expect(names.length).toBeGreaterThanOrEqual(25);
    expect(Object.keys(findings).sort()).toEqual(names);
  });

  test.each(names)('%s passes 50 sessions without faults, and its seed finds it', async (name) => {
    const core = await loadMutant(name);
    expect(failsWithoutFaults(core)).toBeNull();
    const { seed, check } = findings[name] ?? { seed: 0, check: null };
    expect(foundBy(core, seed)).toBe(check);
    // The seed is no seed of trouble with the real core.
    expect(runSession(seed).failure).toBeNull();
  });

  test('another copy of the core that is equal runs equally, bit for bit', async () => {
    const copy = await loadCore('.');
    expect(copy.stepOwner).not.toBe(OUR_CORE.stepOwner);
    expect(runSession(17, { core: copy }).hash).toBe(runSession(17).hash);
  });
});

describe('patches', () => {
  const patch = ['why', '--- a/x.ts', '+++ b/x.ts', '@@ -1,3 +1,3 @@', ' a', '-b', '+c', ' d', ''];

  test('one hunk of one file', () => {
    const hunk = parsePatch(patch.join('\n'));
    expect(applyHunk('0\na\nb\nd\n1\n', hunk)).toBe('0\na\nc\nd\n1\n');
    expect(() => parsePatch([...patch, '@@ -9 +9 @@', '-x', '+y'].join('\n'))).toThrow('one hunk');
  });

  test('a patch that does not apply, or fits twice, fails', () => {
    const hunk = parsePatch(patch.join('\n'));
    expect(() => applyHunk('a\nx\nd\n', hunk)).toThrow('fits nowhere');
    expect(() => applyHunk('a\nb\nd\na\nb\nd\n', hunk)).toThrow('fits more than once');
  });
});

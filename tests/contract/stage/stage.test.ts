import { cpuFactory } from '#tests/support/engine.ts';
import { stageContract, type StageImplementation } from './suite.ts';

/** Another implementation only has to be listed here. */
const IMPLEMENTATIONS: readonly StageImplementation[] = [
  { name: 'cpu', factory: cpuFactory, class: 'bits' },
];

for (const implementation of IMPLEMENTATIONS) stageContract(implementation);

import { describe } from 'vitest';
import { testShortRows } from './smollm2.ts';

/** `npm run test:full` takes all rows: two threads of one stage share the machine with other files. */
const everyRow = process.env['EVERY_ROW'] === '1';
const of = { threads: 2, rowStep: everyRow ? 1 : 6 };

describe('SmolLM2-135M-Instruct, int16, two threads', () => testShortRows('int16', of));
describe('SmolLM2-135M-Instruct, exact, two threads', () => testShortRows('exact', of));

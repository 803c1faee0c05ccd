import { describe } from 'vitest';
import { testShortRows } from './smollm2.ts';

describe('SmolLM2-135M-Instruct, exact', () => testShortRows('exact'));

import tseslint from 'typescript-eslint';
import prettier from 'eslint-config-prettier';

const IMPURE_GLOBALS = [
  ['setTimeout', 'return a deadline and take a `tick` input'],
  ['setInterval', 'return a deadline and take a `tick` input'],
  ['queueMicrotask', 'return an output'],
  ['fetch', 'return an output; the shell does I/O'],
  ['globalThis', 'take what you need as an argument'],
  ['window', 'take what you need as an argument'],
  ['process', 'take what you need as an argument'],
  ['performance', 'take `now` as an argument'],
].map(([name, cure]) => ({ name, message: `Cores are pure: ${cure}.` }));

const IMPURE_PROPERTIES = [
  ['Date', 'now', 'take `now` as an argument'],
  ['Math', 'random', 'take a value or a seeded Random'],
].map(([object, property, cure]) => ({ object, property, message: `Cores are pure: ${cure}.` }));

/** Pure cores (house-style 1): no I/O, no clock, no randomness, no async. */
const CORES = [
  'lib/shard/session/**',
  'lib/shard/stage/core/**',
  'lib/shard/placement/**',
  'lib/ledger/account/**',
  'lib/ledger/application/**',
  'lib/ledger/pbft/**',
];

export default tseslint.config(
  {
    ignores: [
      'node_modules',
      '.next',
      'build',
      '.data',
      'next-env.d.ts',
      'lib/webgpu/cpu/kernels',
      'public',
      'bench/peers',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  prettier,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 3],
    },
  },
  {
    files: CORES,
    rules: {
      'no-restricted-globals': ['error', ...IMPURE_GLOBALS],
      'no-restricted-properties': ['error', ...IMPURE_PROPERTIES],
      'no-restricted-syntax': [
        'error',
        {
          selector: ':function[async=true], AwaitExpression',
          message: 'Cores are pure: synchronous; return an output instead of waiting.',
        },
        {
          selector: 'NewExpression[callee.name="Date"]',
          message: 'Cores are pure: take `now` as an argument.',
        },
      ],
    },
  },
  {
    files: ['tests/**', 'bench/**', 'sim/**'],
    rules: {
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['**/*.mjs'],
    extends: [tseslint.configs.disableTypeChecked],
  },
  {
    // Next's own convention asks for default exports and async server components.
    files: ['app/**/*.tsx', 'components/**/*.tsx'],
    rules: {
      '@typescript-eslint/no-misused-promises': [
        'error',
        { checksVoidReturn: { attributes: false } },
      ],
    },
  },
);

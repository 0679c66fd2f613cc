/**
 * The floors of the house, from the ground up. A file may import files of its own floor and of
 * those before it; rooms side by side on one floor import nothing of each other.
 *
 * A room is a folder with all below it, those aside that have a room of their own; `/*.ts` are a
 * folder's own files alone, and a star stands for one name.
 */
export const FLOORS: readonly (readonly string[])[] = [
  ['ops/numerics'],
  ['ops/common'],
  ['ops/wasm', 'ops/webgl', 'ops/webgpu'],
  ['ops/*'],
  ['ops/*.ts'],
  ['ops/register'],
  ['src/math'],
  ['src/graph'],
  ['src/shapes'],
  ['src/feed'],
  ['src/plan'],
  ['src/trace'],
  ['src/recognize'],
  ['src/passes'],
  ['src/calibrate'],
  ['src/quantize'],
  ['src/report', 'src/save'],
  ['src/rewrite'],
  ['src/evaluate'],
  ['src/diffusion'],
  ['src/load'],
  ['src/node', 'src/bundlers', 'src/worker'],
  ['src/cli'],
  ['src/*.ts'],
  ['src/bin'],
  ['scripts'],
  ['models/builder'],
  ['models/*.ts'],
  ['models/research'],
  ['examples'],
  ['test/harness'],
  ['test'],
];

/** Rooms that few may enter: besides their own files, those of the rooms named. */
export const GUARDED: Readonly<Record<string, readonly string[]>> = {
  'models/research': ['test/models/research'],
};

/** What the package builds on wherever it runs. */
const TFJS = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-converter'];

/** Packages that the files of a folder may import, the longest name counting; elsewhere any. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  ops: ['@tensorflow/tfjs-core'],
  src: TFJS,
  'src/bin': [
    ...TFJS,
    ...['commander', 'fflate', 'node:fs', 'node:module', 'node:path', 'node:url'],
    ...['node:child_process', 'node:v8', 'node:vm'],
  ],
  'src/cli': [...TFJS, 'node:util'],
  'src/bundlers': ['node:fs', 'node:path'],
  'src/worker': [...TFJS, 'comlink'],
  'src/node': [...TFJS, 'node:fs', 'node:path', 'node:url'],
  'src/report': [...TFJS, 'console-table-printer', 'vega', 'vega-lite'],
};

/** What runs in browsers too: from these no file is reached that imports modules of Node. */
export const IN_BROWSERS = [
  'src/index.ts',
  'src/chained.ts',
  'src/load.ts',
  'src/report.ts',
  'src/worker.ts',
  'examples/browser/page/main.ts',
  'examples/browser/worker/main.ts',
];

/** Files that are imported by another name than their path. */
export const ALIASES: Readonly<Record<string, string>> = {
  'tfjs-hadanorm': 'src/index.ts',
  'tfjs-hadanorm/chained': 'src/chained.ts',
  'tfjs-hadanorm/core': 'src/core.ts',
  'tfjs-hadanorm/esbuild': 'src/esbuild.ts',
  'tfjs-hadanorm/load': 'src/load.ts',
  'tfjs-hadanorm/node': 'src/node.ts',
  'tfjs-hadanorm/report': 'src/report.ts',
  'tfjs-hadanorm/tensorflow': 'src/tensorflow.ts',
  'tfjs-hadanorm/vite': 'src/vite.ts',
  'tfjs-hadanorm/wasm': 'src/wasm.ts',
  'tfjs-hadanorm/webgl': 'src/webgl.ts',
  'tfjs-hadanorm/webgpu': 'src/webgpu.ts',
  'tfjs-hadanorm/webpack': 'src/webpack.ts',
  'tfjs-hadanorm/worker': 'src/worker.ts',
};

/** Where the house stands. */
export const HOUSE = ['ops', 'src', 'models', 'scripts', 'examples', 'test'] as const;

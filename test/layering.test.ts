import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../scripts/process.js';
import { CHILD_ENV } from './harness/run/child.js';

const BIOME = join(ROOT, 'node_modules', '@biomejs', 'biome', 'bin', 'biome');

/** From a folder below the first, may the second be imported? */
const RULES: readonly [string, string, boolean][] = [
  ['ops', '@tensorflow/tfjs-core', true],
  ['ops', '@tensorflow/tfjs-converter', false],
  ['ops', '@tensorflow/tfjs', false],
  ['ops', '@tensorflow/tfjs-backend-cpu', false],
  ['ops', '../common/errors.js', true],
  ['ops', '../../src/index.js', false],
  ['ops', '../../models/graphBuilder.js', false],
  ['src', '@tensorflow/tfjs-converter', true],
  ['src', '@tensorflow/tfjs-backend-wasm', false],
  ['src', '../../ops/index.js', true],
  ['src', '../../models/graphBuilder.js', false],
  ['src', '../../test/harness/random.js', false],
  ['models', '../../src/index.js', true],
  ['models', '../../test/harness/random.js', false],
  ['models', '../../examples/ops.js', false],
  ['test', '../../models/graphBuilder.js', true],
];

describe('Imports go one way', () => {
  const folders = new Map<string, string>();
  after(() => {
    for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true });
  });

  for (const [layer, module, allowed] of RULES) {
    it(`${layer} ${allowed ? 'may' : 'must not'} import ${module}`, () => {
      const folder = folders.get(layer) ?? mkdtempSync(join(ROOT, layer, 'layering-'));
      folders.set(layer, folder);
      const file = join(folder, 'probe.ts');
      writeFileSync(file, `import * as module from '${module}';\n\nexport const probe = module;\n`);
      const args = [BIOME, 'lint', '--colors=off', file];
      const options = { cwd: ROOT, encoding: 'utf8', env: CHILD_ENV } as const;
      const { status, stderr } = spawnSync(process.execPath, args, options);
      const broken = stderr.includes('lint/style/noRestrictedImports');
      expect([status, broken], stderr).to.deep.equal(allowed ? [0, false] : [1, true]);
    });
  }
});

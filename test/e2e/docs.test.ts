import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type TransformOptions, transformSync } from 'esbuild';
import { ROOT } from '../../scripts/process.js';
import { supportMatrix } from '../../src/index.js';
import { supportTable } from '../harness/backends/supportTable.js';
import { runNode } from '../harness/run/child.js';
import { codeBlocks } from '../harness/run/codeBlocks.js';

/** Where things are explained, with how many examples at least. */
const SOURCES: readonly [string, number][] = [
  ['docs/methods.md', 1],
  ['docs/ops.md', 1],
  ['ops/hadamardTransform/op.ts', 1],
  ['ops/hadamardTransform/matrix.ts', 1],
  ['ops/channelCenter/op.ts', 1],
  ['ops/fakeQuant/op.ts', 1],
  ['ops/scaledDotProductAttention/op.ts', 1],
  ['ops/modulatedLayerNorm/op.ts', 1],
  ['ops/hadaNormQuantize/op.ts', 1],
  ['ops/quantizedMatMul/op.ts', 1],
  ['src/calibrate/calibrate.ts', 1],
  ['src/passes/fuseGraph.ts', 1],
  ['src/evaluate/evaluateLinears.ts', 1],
  ['src/evaluate/selfCheck.ts', 1],
  ['src/report/recipe.ts', 1],
  ['src/report/reportHtml.ts', 1],
  ['src/report/reportJson.ts', 2],
  ['src/report/reportTable.ts', 1],
  ['src/recognize/describeGraph.ts', 1],
  ['src/rewrite/quantize.ts', 1],
  ['src/rewrite/rewriteGraph.ts', 1],
  ['src/rewrite/sequentialMemory.ts', 1],
  ['src/diffusion/denoise.ts', 1],
  ['src/diffusion/schedules/noiseSchedule.ts', 1],
  ['src/load/loadCheckpoint.ts', 1],
  ['src/load/quantizeCheckpoint.ts', 1],
  ['src/node/fileSystem.ts', 1],
  ['src/save/saveQuantized.ts', 2],
  ['src/save/opfs.ts', 1],
  ['src/support.ts', 1],
];

/** TypeScript to JavaScript, imports and all else as they stand. */
const TYPES_OFF: TransformOptions = {
  ...{ loader: 'ts', target: 'node20' },
  tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
};

/** Lines of a screen. */
const SCREEN = 40;

/** Pages whose examples, should they have any, are run too. */
const PAGES = readdirSync(join(ROOT, 'docs'))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);

describe('Documentation', () => {
  let folder = '';
  before(() => {
    // inside the project, so that imports resolve as they do for its examples
    folder = mkdtempSync(join(ROOT, 'examples', '.docs-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const wanted = new Map([...PAGES.map((file) => [file, 0] as const), ...SOURCES]);
  for (const [file, min] of wanted) {
    const examples = codeBlocks(readFileSync(join(ROOT, file), 'utf8'));

    if (min > 0)
      it(`${file} has an example for each thing it explains`, () => {
        expect(examples.length).to.be.at.least(min);
      });

    examples.forEach((code, i) => {
      it(`${file}: example ${i + 1} runs`, () => {
        // what imports packages alone runs without tsx, in half the time
        const loader = /from '\.\.?\//.test(code) ? ['--import', 'tsx'] : [];
        const name = `${file.replace(/\W/g, '-')}-${i + 1}`;
        const script = join(folder, loader.length > 0 ? `${name}.ts` : `${name}.mjs`);
        writeFileSync(script, loader.length > 0 ? code : transformSync(code, TYPES_OFF).code);
        const { stderr } = runNode([...loader, script]);
        expect(stderr).to.equal('');
      });
    });
  }

  it('docs/ops.md shows the support matrix as it is', () => {
    const page = readFileSync(join(ROOT, 'docs', 'ops.md'), 'utf8');
    expect(page).to.include(supportTable(supportMatrix()));
  });

  for (const [doc, example] of [
    ['webgpu-ops.md', 'rmsNorm.ts'],
    ['backends.md', 'recordedPlan.ts'],
  ] as const) {
    it(`docs/${doc} shows its example as it is`, () => {
      const page = readFileSync(join(ROOT, 'docs', doc), 'utf8');
      const file = join(ROOT, 'examples', 'webgpu', example);
      expect(page).to.include(readFileSync(file, 'utf8'));
    });
  }

  it('the README is at most 200 lines, and two screens to the end of its first code', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    expect(readme.split('\n').length - 1).to.be.at.most(200);
    const [start] = readme.split(/^```ts[\s\S]*?^```$/m);
    const [code] = codeBlocks(readme);
    expect(start!.split('\n').length + code!.split('\n').length).to.be.at.most(2 * SCREEN);
  });
});

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import vm from 'node:vm';
import { expect } from 'chai';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { ROOT } from '../../scripts/process.js';
import { syntheticReport } from '../harness/report/syntheticReport.js';
import { UserProject } from '../harness/run/userProject.js';

const require = createRequire(import.meta.url);
const { exports } = require('../../package.json') as { exports: Record<string, unknown> };
const USE = `
  await tf.setBackend('cpu');
  const y = hadamardTransform([4, 0, 0, 0]);
  console.log([...y.dataSync()].join(), supportMatrix().length);
`;

const REPORT = syntheticReport({ blocks: 1 });

/** The package of the trial model. */
const MODEL = 'tfjs-hadanorm-avatars-nano';

describe('The package as it ships', () => {
  let project: UserProject;

  before(() => {
    project = new UserProject();
    project.write('report.json', JSON.stringify(REPORT));
    for (const name of ['vega', 'vega-lite', MODEL]) project.link(name);
  });
  after(() => project.remove());

  it('holds the builds and the documentation, and nothing else', () => {
    const others = project.packed.filter((path) => !/^dist\/(esm|cjs)\/(src|ops)\//.test(path));
    const pages = others.filter((path) => /^docs\/[\w-]+\.md$/.test(path));
    expect(pages).to.include('docs/methods.md');
    const left = others.filter((path) => !pages.includes(path));
    expect(left.sort()).to.deep.equal([
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'dist/cjs/package.json',
      'dist/tfjs-hadanorm.min.js',
      'dist/tfjs-hadanorm.min.js.map',
      'docs/samples.png',
      'models/README.md',
      'models/research/training/README.md',
      'package.json',
    ]);
    // a map of a file names sources that are not here, which bundlers warn of
    expect(project.packed.filter((path) => /\/(esm|cjs)\/.*\.map$/.test(path))).to.be.empty;
  });

  it('the trial model loads from its package, and finds the same linears there', () => {
    const { stdout, stderr } = project.run(
      'model.mjs',
      `
      import * as tf from '@tensorflow/tfjs-core';
      import '@tensorflow/tfjs-backend-cpu';
      import { loadGraphModel } from '@tensorflow/tfjs-converter';
      import { readFile } from 'node:fs/promises';
      import { describeGraph } from 'tfjs-hadanorm';
      await tf.setBackend('cpu');
      const url = import.meta.resolve('tfjs-hadanorm-avatars-nano/model.json');
      const fetchFunc = async (path) => new Response(await readFile(new URL(path)));
      const model = await loadGraphModel(tf.io.http(url, { fetchFunc }));
      const inputs = model.inputs.map(({ name }) => name).sort();
      console.log(inputs.join(), describeGraph(model).linears.length);`,
    );
    expect([stdout, stderr]).to.deep.equal(['label,latent,timestep 35\n', '']);
  });

  it('is well-formed for every way to import it, says publint', async () => {
    const { messages, pkg } = await publint({ pkgDir: ROOT, strict: true, pack: false });
    expect(
      messages.map((message) => formatMessage(message, pkg as Record<string, unknown>)),
    ).to.deep.equal([]);
  });

  it('has types that are right for every way to resolve them, says arethetypeswrong', async () => {
    const { createPackageFromTarballData, checkPackage } = await import('@arethetypeswrong/core');
    const tarball = createPackageFromTarballData(readFileSync(project.tarball));
    const result = await checkPackage(tarball, {
      entrypoints: Object.keys(exports).filter((name) => name !== './package.json'),
    });
    const problems = 'problems' in result ? result.problems : [{ kind: 'no types at all' }];
    expect(problems).to.deep.equal([]);
  });

  it('is imported as ESM, without a word on the console', () => {
    const { stdout, stderr } = project.run(
      'esm.mjs',
      `
      import * as tf from '@tensorflow/tfjs-core';
      import '@tensorflow/tfjs-backend-cpu';
      import { hadamardTransform, supportMatrix } from 'tfjs-hadanorm';
      ${USE}`,
    );
    expect([stdout, stderr]).to.deep.equal(['2,2,2,2 7\n', '']);
  });

  it('is required as CommonJS, without a word on the console', () => {
    const { stdout, stderr } = project.run(
      'cjs.cjs',
      `
      const tf = require('@tensorflow/tfjs-core');
      require('@tensorflow/tfjs-backend-cpu');
      const { hadamardTransform, supportMatrix } = require('tfjs-hadanorm');
      (async () => { ${USE} })();`,
    );
    expect([stdout, stderr]).to.deep.equal(['2,2,2,2 7\n', '']);
  });

  for (const [file, imports] of [
    [
      'html.mjs',
      `const { reportHtml } = await import('tfjs-hadanorm/report');
      const { HadaNormError } = await import('tfjs-hadanorm/core');`,
    ],
    [
      'html.cjs',
      `const { reportHtml } = require('tfjs-hadanorm/report');
      const { HadaNormError } = require('tfjs-hadanorm/core');`,
    ],
  ] as const) {
    const script = `(async () => {
      ${imports}
      const { readFileSync } = await import('node:fs');
      const report = JSON.parse(readFileSync('report.json', 'utf8'));
      try {
        console.log((await reportHtml(report)).includes('role="img"'));
      } catch (error) {
        console.log(error instanceof HadaNormError, error.message);
      }
    })();`;

    it(`draws a report's plots with vega: ${file}`, () => {
      const { stdout, stderr } = project.run(file, script);
      expect([stdout, stderr]).to.deep.equal(['true\n', '']);
    });

    it(`needs vega only to draw a report, and then says what to install: ${file}`, () => {
      project.unlink('vega');
      try {
        const { stdout } = project.run(file, script);
        expect(stdout).to.match(/^true reportHtml: .* Run: npm install vega vega-lite\n$/);
      } finally {
        project.link('vega');
      }
    });
  }

  it('stands silently beside a second copy: both work, with gradients and graph ops', () => {
    const { stdout, stderr } = project.run(
      'both.mjs',
      `
      import { createRequire } from 'node:module';
      import * as tf from '@tensorflow/tfjs';
      const require = createRequire(import.meta.url);
      tf.enableDebugMode(); // where tfjs warns of a gradient that is registered twice
      console.warn = (words) => {
        if (!words.includes('running TensorFlow.js in Node')) console.error('warned:', words);
      };
      console.log = () => {};
      const first = await import('tfjs-hadanorm');
      const second = require('tfjs-hadanorm');
      await import('tfjs-hadanorm/chained');
      require('tfjs-hadanorm/chained');
      await tf.setBackend('cpu');
      const x = tf.tensor1d([4, 0, 0, 0]);
      const results = [first, second].map((copy) =>
        [...tf.grad((v) => copy.hadamardTransform(v))(x, x).dataSync(),
         ...copy.fakeQuant(x).dataSync(),
         ...copy.channelCenter([[1], [3]]).mean.dataSync()].join());
      results.push([...x.hadamardTransform().dataSync()].join());
      process.stdout.write([first.fakeQuant !== second.fakeQuant, ...results].join(' '));`,
    );
    expect(stderr.split('\n').filter((line) => line.includes('warned:'))).to.deep.equal([]);
    expect(stdout).to.equal('true 2,2,2,2,4,0,0,0,2 2,2,2,2,4,0,0,0,2 2,2,2,2');
  });

  it('takes the statistics and knows the errors of a second copy of itself', () => {
    const { stdout, stderr } = project.run(
      'copies.mjs',
      `
      import { createRequire } from 'node:module';
      import * as tf from '@tensorflow/tfjs-core';
      import '@tensorflow/tfjs-backend-cpu';
      import { loadGraphModel } from '@tensorflow/tfjs-converter';
      import { readFile } from 'node:fs/promises';
      import * as first from 'tfjs-hadanorm';
      const second = createRequire(import.meta.url)('tfjs-hadanorm');
      await tf.setBackend('cpu');
      const url = import.meta.resolve('tfjs-hadanorm-avatars-nano/model.json');
      const fetchFunc = async (path) => new Response(await readFile(new URL(path)));
      const model = await loadGraphModel(tf.io.http(url, { fetchFunc }));
      const { shape } = model.inputs.find(({ name }) => name === 'latent');
      const batch = {
        latent: tf.zeros([1, ...shape.slice(1)]),
        timestep: tf.tensor1d([0.5]),
        label: tf.tensor1d([0], 'int32'),
      };
      const options = { hessian: false, samples: 1, means: 1 };
      const a = await first.calibrate(model, [batch], options);
      const b = second.CalibrationStats.deserialize(a.serialize());
      const resumed = await second.calibrate(model, [batch], { ...options, resume: a });
      let error;
      try { second.hadamardTransform([[1, 2, 3]]); } catch (caught) { error = caught; }
      console.log(
        a.constructor === b.constructor, a.merge(b).batches, resumed.batches,
        error instanceof first.HadamardSizeError, error instanceof first.InvalidArgumentError,
      );`,
    );
    expect([stdout, stderr]).to.deep.equal(['false 2 1 true false\n', '']);
  });

  it('keeps its registrations in a bundle', async () => {
    const entry = project.write(
      'bundled.mjs',
      `import { hadamardTransform } from 'tfjs-hadanorm'; console.log(typeof hadamardTransform);`,
    );
    const { outputFiles } = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'browser',
      external: ['@tensorflow/*'],
      logOverride: { 'ignored-bare-import': 'error' },
    });
    const [text] = outputFiles.map((file) => file.text);
    for (const name of ['registerKernel', 'registerGradient', 'registerOp']) {
      expect(text).to.match(new RegExp(`\\b${name}\\d*\\(`), `a call of ${name}`);
    }
  });

  it('is a script tag after tfjs, twice without harm', async () => {
    const warnings: unknown[] = [];
    const page = {
      console: { ...console, warn: (...words: unknown[]) => warnings.push(words) },
      // what makes tfjs take this for a browser
      document: {},
      navigator: { userAgent: '' },
      TextEncoder,
    };
    const context = vm.createContext({
      ...page,
      setTimeout,
      performance,
      Float32Array,
      Int32Array,
      Uint8Array,
    });
    vm.runInContext('globalThis.self = globalThis.window = globalThis;', context);
    const tfjs = readFileSync(require.resolve('@tensorflow/tfjs/dist/tf.min.js'), 'utf8');
    const plugin = readFileSync(join(project.installed, 'dist', 'tfjs-hadanorm.min.js'), 'utf8');
    for (const script of [tfjs, plugin, plugin]) vm.runInContext(script, context);
    const shown = await vm.runInContext(
      `(async () => {
      await tf.setBackend('cpu');
      const rotated = tf.tensor1d([4, 0, 0, 0]).hadamardTransform();
      const node = [
        { name: 'x', op: 'Placeholder', attr: { dtype: { type: 'DT_FLOAT' } } },
        { name: 'y', op: 'FakeQuant', input: ['x'], attr: {} },
      ];
      const modelTopology = { node, versions: {} };
      const weights = { weightSpecs: [], weightData: new ArrayBuffer(0) };
      const model = await tf.loadGraphModel(tf.io.fromMemory({ modelTopology, ...weights }));
      const quantized = model.predict(hadanorm.fakeQuant([0, 255]));
      return [[...rotated.dataSync()].join(), [...quantized.dataSync()].join()].join(' ');
    })()`,
      context,
    );
    expect(shown).to.equal('2,2,2,2 0,255');
    expect(warnings).to.deep.equal([]);
  });

  it('draws reports with the script tags of vega and vega-lite, and asks for them', async () => {
    const globals = { TextEncoder, console, setTimeout, performance, structuredClone };
    const context = vm.createContext({ ...globals, report: REPORT });
    vm.runInContext('globalThis.self = globalThis.window = globalThis;', context);
    const load = (file: string) => vm.runInContext(readFileSync(file, 'utf8'), context);
    const draw = () => vm.runInContext('hadanorm.reportHtml(report)', context) as Promise<string>;
    load(require.resolve('@tensorflow/tfjs/dist/tf.min.js'));
    load(join(project.installed, 'dist', 'tfjs-hadanorm.min.js'));
    const error = await draw().catch((reason: Error) => reason);
    expect(error).to.have.property('message').that.includes('no global vega or vegaLite.');
    expect(error).to.have.property('message').that.includes('npm/vega-lite@6"></script>');
    for (const name of ['vega', 'vega-lite']) {
      load(join(ROOT, 'node_modules', name, 'build', `${name}.min.js`));
    }
    expect(await draw()).to.include('role="img"');
  });

  it('keeps vega out of its script tag', () => {
    const file = join(project.installed, 'dist', 'tfjs-hadanorm.min.js');
    // what is ours has 705 kB, all in one file, and grows; vega-lite alone has 250 kB, vega 520
    expect(readFileSync(file).length).to.be.below(730_000);
  });

  it('says what is missing when its script tag comes without tfjs', () => {
    const file = join(project.installed, 'dist', 'tfjs-hadanorm.min.js');
    const load = () => vm.runInNewContext(readFileSync(file, 'utf8'));
    expect(load).to.throw('Load TensorFlow.js before this script.');
  });
});

import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import vm from 'node:vm';
import { expect } from 'chai';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { ROOT } from '../../scripts/process.js';
import { syntheticReport } from '../harness/report/syntheticReport.js';
import { CHILD_ENV, runNode } from '../harness/run/child.js';

const require = createRequire(import.meta.url);
const { dependencies } = require('../../package.json') as { dependencies: Record<string, string> };
const USE = `
  await tf.setBackend('cpu');
  const y = hadamardTransform([4, 0, 0, 0]);
  console.log([...y.dataSync()].join(), supportMatrix().length);
`;

const REPORT = syntheticReport({ blocks: 1 });

describe('The package as it ships', () => {
  let project = '';

  before(() => {
    project = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-user-'));
    const tarball = pack(project);
    const installed = join(project, 'node_modules', 'tfjs-hadanorm');
    mkdirSync(installed, { recursive: true });
    const unpacked = spawnSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
    expect(unpacked.status, String(unpacked.stderr)).to.equal(0);
    // a user who has core, converter and one backend, and none of the optional peers
    mkdirSync(join(project, 'node_modules', '@tensorflow'));
    for (const name of ['tfjs-core', 'tfjs-converter', 'tfjs-backend-cpu', 'tfjs']) {
      link(`@tensorflow/${name}`);
    }
    for (const name of Object.keys(dependencies)) link(name);
    writeFileSync(join(project, 'report.json'), JSON.stringify(REPORT));
  });
  after(() => rmSync(project, { recursive: true, force: true }));

  it('holds the builds, licence, README and small trained model, and nothing else', () => {
    const { files } = JSON.parse(readFileSync(join(project, 'pack.json'), 'utf8'))[0];
    const paths = (files as { path: string }[]).map(({ path }) => path);
    const others = paths.filter((path) => !/^dist\/(esm|cjs)\/(src|ops)\//.test(path));
    expect(others.sort()).to.deep.equal([
      'LICENSE',
      'README.md',
      'dist/cjs/package.json',
      'dist/tfjs-hadanorm.min.js',
      'dist/tfjs-hadanorm.min.js.map',
      'models/avatars-nano/group1-shard1of2.bin',
      'models/avatars-nano/group1-shard2of2.bin',
      'models/avatars-nano/model.json',
      'package.json',
    ]);
  });

  it('the trained model loads from the package, and finds the same linears there', () => {
    const { stdout, stderr } = runUser(
      'model.mjs',
      `
      import * as tf from '@tensorflow/tfjs-core';
      import '@tensorflow/tfjs-backend-cpu';
      import { loadGraphModel } from '@tensorflow/tfjs-converter';
      import { readFile } from 'node:fs/promises';
      import { describeGraph } from 'tfjs-hadanorm';
      await tf.setBackend('cpu');
      const url = import.meta.resolve('tfjs-hadanorm/models/avatars-nano/model.json');
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

  it('is imported as ESM, without a word on the console', () => {
    const { stdout, stderr } = runUser(
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
    const { stdout, stderr } = runUser(
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
    ['html.mjs', `const { reportHtml, HadaNormError } = await import('tfjs-hadanorm');`],
    ['html.cjs', `const { reportHtml, HadaNormError } = require('tfjs-hadanorm');`],
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
      const { stdout, stderr } = runUser(file, script);
      expect([stdout, stderr]).to.deep.equal(['true\n', '']);
    });

    it(`needs vega only to draw a report, and then says what to install: ${file}`, () => {
      unlinkSync(join(project, 'node_modules', 'vega'));
      try {
        const { stdout } = runUser(file, script);
        expect(stdout).to.match(/^true reportHtml: .* Run: npm install vega vega-lite\n$/);
      } finally {
        link('vega');
      }
    });
  }

  it('stands silently beside a second copy: both work, with gradients and graph ops', () => {
    const { stdout, stderr } = runUser(
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
    const { stdout, stderr } = runUser(
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
      const url = import.meta.resolve('tfjs-hadanorm/models/avatars-nano/model.json');
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
    const entry = join(project, 'bundled.mjs');
    writeFileSync(
      entry,
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
    const plugin = readFileSync(
      join(project, 'node_modules/tfjs-hadanorm/dist/tfjs-hadanorm.min.js'),
      'utf8',
    );
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
    load(join(project, 'node_modules/tfjs-hadanorm/dist/tfjs-hadanorm.min.js'));
    const error = await draw().catch((reason: Error) => reason);
    expect(error).to.have.property('message').that.includes('no global vega or vegaLite.');
    expect(error).to.have.property('message').that.includes('npm/vega-lite@6"></script>');
    for (const name of ['vega', 'vega-lite']) {
      load(join(ROOT, 'node_modules', name, 'build', `${name}.min.js`));
    }
    expect(await draw()).to.include('role="img"');
  });

  it('keeps vega out of its script tag', () => {
    const file = join(project, 'node_modules/tfjs-hadanorm/dist/tfjs-hadanorm.min.js');
    expect(readFileSync(file).length).to.be.below(400_000);
  });

  it('says what is missing when its script tag comes without tfjs', () => {
    const file = join(project, 'node_modules/tfjs-hadanorm/dist/tfjs-hadanorm.min.js');
    const load = () => vm.runInNewContext(readFileSync(file, 'utf8'));
    expect(load).to.throw('Load TensorFlow.js before this script.');
  });

  for (const [name, compilerOptions] of [
    ['esm.mts', { module: 'nodenext' }],
    ['cjs.cts', { module: 'nodenext' }],
    ['bundled.ts', { module: 'esnext', moduleResolution: 'bundler' }],
  ] as const) {
    it(`has types for ${name} (${Object.values(compilerOptions).join(', ')})`, () => {
      writeFileSync(
        join(project, name),
        `
        import { tensor1d, type Tensor1D } from '@tensorflow/tfjs-core';
        import { fakeQuant, type Granularity, hadamardTransform } from 'tfjs-hadanorm';
        import { HadamardSizeError } from 'tfjs-hadanorm';
        import 'tfjs-hadanorm/chained';
        const granularity: Granularity = { kind: 'perGroup', groupSize: 2 };
        const y: Tensor1D = hadamardTransform(tensor1d([1, 2, 3, 4]));
        const z: Tensor1D = fakeQuant(y, { granularity }).hadamardTransform({ transpose: true });
        // @ts-expect-error an option that is not there
        hadamardTransform(z, { blocksize: 4 });
        export const size: number = new HadamardSizeError('op', 7, 1, 8, '7').size;
      `,
      );
      const options = {
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        target: 'es2022',
        types: [],
        ...compilerOptions,
      };
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions: options, files: [name] }),
      );
      runNode([join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', project], project);
    });
  }

  /** What npm would have installed. */
  function link(name: string): void {
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name), 'junction');
  }

  function runUser(file: string, code: string) {
    writeFileSync(join(project, file), code);
    return runNode([file], project);
  }
});

function pack(into: string): string {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', into];
  const npm = spawnSync('npm', args, {
    cwd: ROOT,
    encoding: 'utf8',
    shell: process.platform === 'win32',
    env: CHILD_ENV,
  });
  expect(npm.status, npm.stderr).to.equal(0);
  writeFileSync(join(into, 'pack.json'), npm.stdout);
  return join(into, JSON.parse(npm.stdout)[0].filename);
}

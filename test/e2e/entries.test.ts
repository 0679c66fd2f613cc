import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { build } from 'esbuild';
import { UserProject } from '../harness/run/userProject.js';

/** What a bundle of an import may weigh, minified and gzipped, without tfjs. */
const BUNDLES: readonly [what: string, code: string, maxBytes: number][] = [
  ['hadamardTransform of /core', `export { hadamardTransform } from 'tfjs-hadanorm/core';`, 25_000],
  [
    'hadamardTransform of /core, on WASM',
    `import 'tfjs-hadanorm/wasm'; export { hadamardTransform } from 'tfjs-hadanorm/core';`,
    61_000,
  ],
  ['the main entry, whatever is used', `import 'tfjs-hadanorm';`, 100_000],
];

describe('Entry points', () => {
  let project: UserProject;

  before(() => {
    project = new UserProject();
    project.link('@tensorflow/tfjs-backend-wasm');
  });
  after(() => project.remove());

  /** What a bundler makes of a module: its text, and the files that went into it. */
  async function bundled(code: string): Promise<{ text: Uint8Array; files: string[] }> {
    const { outputFiles, metafile } = await build({
      entryPoints: [project.write('entry.mjs', code)],
      bundle: true,
      minify: true,
      write: false,
      metafile: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      external: ['@tensorflow/*'],
      logOverride: { 'ignored-bare-import': 'error' },
    });
    return { text: outputFiles[0]!.contents, files: Object.keys(metafile.inputs) };
  }

  for (const [what, code, maxBytes] of BUNDLES) {
    it(`${what}: at most ${maxBytes / 1000} kB gzipped`, async () => {
      const { text } = await bundled(code);
      const bytes = gzipSync(text, { level: 9 }).length;
      console.log(`      ${what}: ${(bytes / 1000).toFixed(1)} kB`);
      expect(bytes).to.be.at.most(maxBytes);
    });
  }

  it('all but /report do without vega and tables for the console', async () => {
    const all = ['', '/core', '/wasm', '/webgl', '/webgpu', '/tensorflow', '/chained'];
    const code = all.map((name) => `import * as m${name.slice(1)} from 'tfjs-hadanorm${name}';`);
    const used = all.map((name) => `m${name.slice(1)}`).join();
    const { files } = await bundled(`${code.join('\n')}\nconsole.log(${used});`);
    expect(files.join()).to.include('rewriteGraph.js');
    expect(files.filter((file) => /vega|console-table|reportHtml|reportTable/.test(file))).to.be
      .empty;
  });

  it('a backend in use whose kernels were not imported is said once, and computes', () => {
    const { stdout, stderr } = project.run(
      'slow.mjs',
      `
      import * as tf from '@tensorflow/tfjs-core';
      import '@tensorflow/tfjs-backend-wasm';
      import { hadamardTransform, fakeQuant, supportMatrix } from 'tfjs-hadanorm/core';
      await tf.setBackend('wasm');
      const kind = () => supportMatrix(['wasm'])[0].backends.wasm;
      const shown = [kind()];
      for (let i = 0; i < 2; i++) shown.push(hadamardTransform([4, 0, 0, 0]).dataSync().join());
      fakeQuant([1, 2]);
      await import('tfjs-hadanorm/wasm');
      shown.push(kind(), hadamardTransform([4, 0, 0, 0]).dataSync().join());
      console.log(shown.join(' '));`,
    );
    expect(stdout).to.equal('composed 2,2,2,2 2,2,2,2 own 2,2,2,2\n');
    const said = "ops run as compositions there. Add: import 'tfjs-hadanorm/wasm';";
    expect(stderr.trim()).to.equal(
      `tfjs-hadanorm: the kernels for wasm were not imported, so ${said}`,
    );
  });

  for (const order of [
    ['core', 'wasm'],
    ['wasm', 'core'],
  ]) {
    it(`${order.join(', then ')}: kernels of WASM's own, without a word`, () => {
      const { stdout, stderr } = project.run(
        'own.mjs',
        `
        import * as tf from '@tensorflow/tfjs-core';
        import '@tensorflow/tfjs-backend-wasm';
        import 'tfjs-hadanorm/${order[0]}';
        import 'tfjs-hadanorm/${order[1]}';
        import { hadamardTransform, supportMatrix } from 'tfjs-hadanorm/core';
        import { setThreads } from 'tfjs-hadanorm/wasm';
        await tf.setBackend('wasm');
        const y = hadamardTransform([4, 0, 0, 0]).dataSync().join();
        const own = supportMatrix(['wasm']).filter(({ backends }) => backends.wasm === 'own');
        console.log(y, own.length, await setThreads(1));`,
      );
      expect([stdout, stderr]).to.deep.equal(['2,2,2,2 7 1\n', '']);
    });
  }

  it('are imported on a server where no backend is', () => {
    const backends = ['/wasm', '/webgl', '/webgpu', '/tensorflow'];
    const names = ['', '/core', ...backends, '/report', '/node', '/chained', '/worker'];
    const esm = names.map((name) => `import 'tfjs-hadanorm${name}';`).join('\n');
    const cjs = names.map((name) => `require('tfjs-hadanorm${name}');`).join('\n');
    project.unlink('@tensorflow/tfjs-backend-cpu');
    try {
      for (const [file, code] of [
        ['server.mjs', esm],
        ['server.cjs', cjs],
      ] as const) {
        const { stdout, stderr } = project.run(file, `${code}\nconsole.log('served');`);
        expect([stdout, stderr], file).to.deep.equal(['served\n', '']);
      }
    } finally {
      project.link('@tensorflow/tfjs-backend-cpu');
    }
  });
});

import { relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { build } from 'esbuild';
import { UserProject } from '../harness/run/userProject.js';

/**
 * What a page loads of an import before it chooses a backend, minified and gzipped, without tfjs.
 */
const BUNDLES: readonly [what: string, code: string, maxBytes: number][] = [
  ['hadamardTransform of /core', `export { hadamardTransform } from 'tfjs-hadanorm/core';`, 26_000],
  [
    'hadamardTransform of /core, on WASM',
    `import 'tfjs-hadanorm/wasm'; export { hadamardTransform } from 'tfjs-hadanorm/core';`,
    68_000,
  ],
  ['the main entry, whatever is used', `import 'tfjs-hadanorm';`, 60_000],
  ['loadCheckpoint of /load', `export { loadCheckpoint } from 'tfjs-hadanorm/load';`, 49_000],
  ['all of the main entry', `export * from 'tfjs-hadanorm';`, 175_000],
];

describe('Entry points', () => {
  let project: UserProject;

  before(() => {
    project = new UserProject();
    project.link('@tensorflow/tfjs-backend-wasm');
  });
  after(() => project.remove());

  /** What a bundler makes of a module: what it loads at once, and the files that went into all. */
  async function bundled(code: string): Promise<{ texts: Uint8Array[]; files: string[] }> {
    const { outputFiles, metafile } = await build({
      entryPoints: [project.write('entry.mjs', code)],
      bundle: true,
      minify: true,
      write: false,
      splitting: true,
      outdir: project.folder,
      absWorkingDir: project.folder,
      metafile: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      external: ['@tensorflow/*'],
      logOverride: { 'ignored-bare-import': 'error' },
    });
    const atOnce = ['entry.js'];
    for (const name of atOnce) {
      for (const { path, kind } of metafile.outputs[name]!.imports) {
        if (kind === 'import-statement' && path in metafile.outputs) atOnce.push(path);
      }
    }
    const loaded = new Set(atOnce);
    const texts = outputFiles.filter(({ path }) => loaded.has(relative(project.folder, path)));
    return { texts: texts.map(({ contents }) => contents), files: Object.keys(metafile.inputs) };
  }

  for (const [what, code, maxBytes] of BUNDLES) {
    it(`${what}: at most ${maxBytes / 1000} kB gzipped`, async () => {
      const { texts } = await bundled(code);
      const sizes = texts.map((text) => gzipSync(text, { level: 9 }).length);
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
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

  it('the main entry after the backend was chosen: right at once, by own kernels soon', () => {
    const { stdout, stderr } = project.run(
      'late.mjs',
      `
      import * as tf from '@tensorflow/tfjs';
      import '@tensorflow/tfjs-backend-wasm';
      await tf.setBackend('wasm');
      const { hadamardTransform, setThreads } = await import('tfjs-hadanorm');
      const y = () => hadamardTransform([4, 0, 0, 0]).dataSync().join();
      const own = () => tf.profile(y).then(({ kernelNames }) => kernelNames.join());
      const early = await own();
      await setThreads(1);
      console.log(y(), early === 'HadamardTransform', await own());`,
    );
    expect([stdout, stderr]).to.deep.equal(['2,2,2,2 false HadamardTransform\n', '']);
  });

  for (const [file, imported] of [
    ['gpu.mjs', "await import('tfjs-hadanorm')"],
    ['gpu.cjs', "require('tfjs-hadanorm')"],
  ] as const) {
    it(`the main entry has WebGPU's kernels come with the backend, in ${file}`, () => {
      const { stdout, stderr } = project.run(
        file,
        `
        void (async () => {
          const tf = await import('@tensorflow/tfjs');
          const { MathBackendCPU } = await import('@tensorflow/tfjs-backend-cpu');
          const { supportMatrix } = ${imported};
          tf.registerBackend('webgpu', async () => new MathBackendCPU());
          const ops = supportMatrix(['webgpu']);
          const kernels = () => ops.map(({ op }) => tf.getKernel(op, 'webgpu').kernelFunc);
          const before = kernels();
          await tf.setBackend('webgpu');
          const other = kernels().filter((kernel, i) => kernel !== before[i]);
          console.log(ops.every(({ backends }) => backends.webgpu === 'own'), other.length);
        })();`,
      );
      expect(stdout).to.equal('true 7\n');
      // they have met it
      expect(stderr.match(/this tfjs-backend-webgpu has no device/g)).to.have.lengthOf(7);
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

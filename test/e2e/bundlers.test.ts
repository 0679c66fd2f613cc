import { cp, readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { createServer, type ViteDevServer } from 'vite';
import { provisionBrowser } from '../../scripts/provision/browser.js';
import { serveIsolated } from '../harness/browser/serve.js';
import { UserProject } from '../harness/run/userProject.js';
import { launch } from './demo/driver.js';

const browserResult = await provisionBrowser((line) => console.log(line));

/** A backend that is not there is said within a second; on a busy machine in three. */
const SAID_MS = 3000;

/** What a page, and a worker of it, do with the package. */
const USE = `
import * as tf from '@tensorflow/tfjs-core';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { hadamardTransform, setThreads } from 'tfjs-hadanorm';

export async function use(origin) {
  setWasmPaths(origin + '/wasm/');
  const began = performance.now();
  const made = await tf.setBackend('wasm');
  const timeMs = performance.now() - began;
  if (!made) return { made, timeMs };
  const y = hadamardTransform([4, 0, 0, 0]).dataSync().join();
  return { made, threads: await setThreads(2), y };
}
`;
const PAGE = `
import { use } from './use.js';
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
globalThis.outcomes = Promise.all([
  use(location.origin),
  new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  }),
]);
`;
const WORKER = `
import { use } from './use.js';
use(self.location.origin).then((outcome) => postMessage(outcome));
`;

const HTML = '<!doctype html><script type="module" src="./page.js"></script>';

/** What each bundler's user writes; WITH is the plugin or nothing. */
const VITE_CONFIG = `
import { wasmThreads } from 'tfjs-hadanorm/vite';
const headers = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
export default {
  logLevel: 'error',
  plugins: [WITH],
  worker: { format: 'es' },
  base: './',
  build: { outDir: 'OUT', target: 'es2022', chunkSizeWarningLimit: 9000 },
  server: { headers },
};
`;
const BUILDS: readonly [bundler: string, build: (project: UserProject, out: string) => string][] = [
  [
    'Vite',
    (project, out) => {
      const wanted = out.startsWith('with-') ? 'wasmThreads()' : '';
      project.write(`${out}.config.mjs`, VITE_CONFIG.replace('WITH', wanted).replace('OUT', out));
      return `
        import { build } from 'vite';
        await build({ configFile: './${out}.config.mjs' });`;
    },
  ],
  [
    'webpack 5',
    (_, out) => `
      import { transform } from 'esbuild';
      import webpack from 'webpack';
      import { wasmThreads } from 'tfjs-hadanorm/webpack';
      // webpack's own minimizer breaks the script too, but takes a minute
      const minimizer = { apply: ({ hooks }) => hooks.compilation.tap('m', ({ hooks, assets }) => {
        const stage = webpack.Compilation.PROCESS_ASSETS_STAGE_OPTIMIZE_SIZE;
        hooks.processAssets.tapPromise({ name: 'm', stage }, async () => {
          for (const [name, asset] of Object.entries(assets)) {
            const { code } = await transform(asset.source(), { minify: true, keepNames: true });
            assets[name] = new webpack.sources.RawSource(code);
          }
        });
      }) };
      webpack({
        mode: 'production',
        entry: './page.js',
        output: { path: process.cwd() + '/${out}', filename: 'page.js' },
        optimization: { minimizer: [minimizer] },
        plugins: [${out.startsWith('with-') ? 'wasmThreads()' : ''}],
        performance: { hints: false },
      }, (error, stats) => {
        if (error) throw error;
        console.log(stats.toString({ all: false, errors: true, warnings: true }));
      });`,
  ],
  [
    'esbuild',
    (_, out) => `
      import { build } from 'esbuild';
      import { wasmThreads } from 'tfjs-hadanorm/esbuild';
      await build({
        entryPoints: ['page.js', 'worker.js'],
        outdir: '${out}',
        bundle: true,
        minify: true,
        format: 'esm',
        // has every function call one of the bundle, which the script of the threads lacks
        keepNames: true,
        plugins: [${out.startsWith('with-') ? 'wasmThreads()' : ''}],
      });`,
  ],
];

/** How a page and its worker ended, and what the console said. */
interface Ended {
  readonly outcomes: readonly {
    readonly made: boolean;
    readonly timeMs?: number;
    readonly threads?: number;
    readonly y?: string;
  }[];
  readonly said: string;
}

describe('Bundled for an isolated page', () => {
  if (!browserResult.available) {
    it.skip(`SKIPPED: ${browserResult.reason}`);
    return;
  }
  const { path } = browserResult;
  let project: UserProject;
  let browser: Browser;
  let server: Server;

  before(async () => {
    project = new UserProject();
    for (const name of ['@tensorflow/tfjs-backend-wasm', 'vite', 'webpack', 'esbuild']) {
      project.link(name);
    }
    project.write('package.json', '{ "type": "module" }');
    project.write('use.js', USE);
    project.write('page.js', PAGE);
    project.write('worker.js', WORKER);
    project.write('index.html', HTML);
    server = await serveIsolated((url) => fileAt(project, url));
    browser = await launch(path);
  });
  after(async () => {
    await browser?.close();
    server?.close();
    project.remove();
  });

  /** Opens a page on four cores, whatever the machine has, and waits for its outcomes. */
  async function opened(url: string): Promise<Ended> {
    const page = await browser.newPage();
    const said: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    await page.addInitScript(() => {
      Object.defineProperty(navigator, 'hardwareConcurrency', { value: 4 });
    });
    await page.goto(url);
    await page.waitForFunction('globalThis.outcomes !== undefined');
    const outcomes = await page.evaluate(
      () => (globalThis as { outcomes?: Promise<Ended['outcomes']> }).outcomes!,
    );
    await page.close();
    return { outcomes, said: said.join('\n') };
  }

  const urlOf = (folder: string) => {
    const { port } = server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/${folder}/index.html`;
  };

  const THREADED = { made: true, threads: 2, y: '2,2,2,2' };

  for (const [bundler, build] of BUILDS) {
    const name = bundler.replace(/\W/g, '').toLowerCase();

    it(`${bundler}: threads start with the plugin, in a page and in a worker`, async () => {
      const out = `with-${name}`;
      const { stdout } = project.run(`${out}.mjs`, build(project, out));
      expect(stdout.trim()).to.equal('');
      if (name !== 'vite') project.write(`${out}/index.html`, HTML);
      const { outcomes } = await opened(urlOf(out));
      expect(outcomes).to.deep.equal([THREADED, THREADED]);
    });

    // webpack too, but its builds take longest
    if (name === 'webpack5') continue;

    it(`${bundler}: without it, that is said instead of a wait for ever`, async () => {
      const out = `no-${name}`;
      project.run(`${out}.mjs`, build(project, out));
      if (name !== 'vite') project.write(`${out}/index.html`, HTML);
      const { outcomes, said } = await opened(urlOf(out));
      for (const { made, timeMs } of outcomes) {
        expect(made).to.equal(false);
        expect(timeMs).to.be.below(SAID_MS);
      }
      console.log(
        `      said after ${outcomes.map(({ timeMs }) => timeMs!.toFixed()).join(', ')} ms`,
      );
      expect(said).to.include("add wasmThreads() of 'tfjs-hadanorm/vite'");
    });
  }

  it("Vite's dev server: threads start with the plugin", async () => {
    const { NODE_ENV } = process.env;
    const binaries = join(project.folder, WASM_FOLDER);
    await cp(binaries, join(project.folder, 'public', 'wasm'), { recursive: true });
    project.write(
      'dev.config.mjs',
      VITE_CONFIG.replace('WITH', 'wasmThreads()').replace('OUT', 'dev'),
    );
    const dev: ViteDevServer = await createServer({
      root: project.folder,
      configFile: join(project.folder, 'dev.config.mjs'),
      cacheDir: join(project.folder, '.vite'),
      server: { host: '127.0.0.1', port: 0, hmr: false, fs: { strict: false } },
    });
    // vite sets it, for this process and its other suites too
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    try {
      await dev.listen();
      const { port } = dev.httpServer!.address() as AddressInfo;
      const { outcomes } = await opened(`http://127.0.0.1:${port}/index.html`);
      expect(outcomes).to.deep.equal([THREADED, THREADED]);
    } finally {
      await dev.close();
    }
  });
});

const WASM_FOLDER = 'node_modules/@tensorflow/tfjs-backend-wasm/dist';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** A file of the user's project, or of tfjs's WASM backend below `/wasm/`. */
async function fileAt(
  project: UserProject,
  url: string,
): Promise<[type: string, body: Uint8Array]> {
  // vite's builds name their files from the root
  const file = url.replace(/\?.*/, '').replace('/wasm/', `/${WASM_FOLDER}/`);
  return [TYPES[extname(file)] ?? 'text/plain', await readFile(join(project.folder, file))];
}

import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium, type Page } from 'playwright-core';
import { ROOT } from '../../scripts/process.js';
import { type Counts, count, emptyTally, type Tally } from '../harness/tally.js';
import { type Answer, serveIsolated } from './serve.js';

/** What the page tells: the outcome of a test, with the error or the reason, or that all have run. */
export type PageEvent = { kind: keyof Counts; suite: string; text?: string } | { kind: 'end' };

export interface BrowserRunOptions {
  /** The Chromium or Chrome to run in. */
  readonly executablePath: string;
  readonly log: (line: string) => void;
}

/** The files whose cases a browser runs; what they import must work in a page. */
const SUITES = [
  'test/ops/backends.test.ts',
  'test/ops/hadamardTransform.test.ts',
  'test/ops/channelCenter.test.ts',
  'test/ops/fakeQuant.test.ts',
  'test/ops/fakeQuant.edges.test.ts',
  'test/ops/quantizedMatMul.test.ts',
  'test/ops/quantizedMatMul.edges.test.ts',
  'test/ops/quantizedMatMul.graph.test.ts',
  'test/ops/wasmBuilds.test.ts',
  'test/ops/wasmKernels.test.ts',
  'test/ops/wasmProduct.test.ts',
  'test/ops/wasmQuantize.test.ts',
  'test/ops/wasmActivations.test.ts',
  'test/ops/wasmRelaxedDot.test.ts',
  'test/ops/wasmThreads.test.ts',
  'test/ops/quantizedMatMul.codes.test.ts',
  'test/ops/hadaNormQuantize.test.ts',
  'test/ops/hadaNormQuantize.edges.test.ts',
  'test/ops/hadaNormQuantize.graph.test.ts',
  'test/ops/scaledDotProductAttention.test.ts',
  'test/ops/scaledDotProductAttention.edges.test.ts',
  'test/ops/modulatedLayerNorm.test.ts',
  'test/ops/wasmFused.test.ts',
  'test/fuse/norms.test.ts',
  'test/e2e/graphModel.test.ts',
  'test/models/dit.test.ts',
  'test/models/sampler.test.ts',
  'test/rewrite/everyBackend.test.ts',
];

/** A page that is silent for this long hangs. */
const SILENCE_MS = 120_000;

/** WebGPU without a GPU: all of these, or it seems to start and then gives zeros. */
const FLAGS = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-angle=swiftshader',
  '--use-vulkan=swiftshader',
  '--use-webgpu-adapter=swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
];

/** Runs the suites in a real browser, on its cpu, wasm, webgl and webgpu backends. */
export async function runInBrowser({ executablePath, log }: BrowserRunOptions): Promise<Tally> {
  const server = await serve(await bundle());
  // Chromium's sandbox does not start for root, as in containers
  const chromiumSandbox = process.getuid?.() !== 0;
  const browser = await chromium.launch({ executablePath, chromiumSandbox, args: FLAGS });
  try {
    const { port } = server.address() as AddressInfo;
    const page = await browser.newPage();
    return await watch(page, log, () => page.goto(`http://127.0.0.1:${port}/`));
  } finally {
    await browser.close();
    server.close();
  }
}

/** Counts what the page tells until it has told all; a page that dies or hangs is one failure more. */
async function watch(
  page: Page,
  log: (line: string) => void,
  start: () => Promise<unknown>,
): Promise<Tally> {
  const tally = emptyTally();
  await new Promise<void>((resolve) => {
    let over = false;
    const end = (failure?: string) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (failure !== undefined) {
        log(`FAILED: ${failure}`);
        count(tally, 'the page', 'failed');
      }
      resolve();
    };
    const timer = setTimeout(
      () => end(`the page was silent for ${SILENCE_MS / 1000} s`),
      SILENCE_MS,
    );
    const take = (event: PageEvent) => {
      if (over) return;
      if (event.kind === 'end') return end();
      timer.refresh();
      count(tally, event.suite, event.kind);
      if (event.text === undefined) return;
      log(event.kind === 'failed' ? `FAILED: ${event.text}` : event.text);
    };
    page.on('pageerror', (error) => end(`the page threw ${error.stack ?? error.message}`));
    page.on('crash', () => end('the page crashed'));
    page
      .exposeFunction('tellDriver', take)
      .then(start)
      .catch((error: Error) => end(`the page did not load: ${error.message}`));
  });
  return tally;
}

async function bundle(): Promise<Uint8Array> {
  const imports = SUITES.map((file) => `import './${file}';`).join('\n');
  const { outputFiles } = await build({
    stdin: {
      contents: `${imports}\nimport { runInPage } from './test/browser/page.js';\nrunInPage();`,
      resolveDir: ROOT,
    },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    sourcemap: 'inline',
    write: false,
    // tests are not listed among the package's side effects
    ignoreAnnotations: true,
    plugins: [
      {
        name: 'browser backends',
        setup({ onResolve }) {
          const path = join(ROOT, 'test', 'harness', 'backends.browser.ts');
          onResolve({ filter: /\/backends\.js$/ }, () => ({ path }));
        },
      },
    ],
  });
  return outputFiles[0]!.contents;
}

const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><div id="mocha"></div>
<script src="/mocha.js"></script><script>mocha.setup({ ui: 'bdd', timeout: 60000 });</script>
<script type="module" src="/suites.js"></script>`;

/** Serves the page cross-origin isolated, as WASM threads want it. */
function serve(suites: Uint8Array): Promise<Server> {
  const modules = join(ROOT, 'node_modules');
  const answer: Answer = async (path) => {
    if (path === '/') return ['text/html', PAGE];
    if (path === '/suites.js') return ['text/javascript', suites];
    if (path === '/mocha.js')
      return ['text/javascript', await readFile(join(modules, 'mocha', 'mocha.js'))];
    const [, file] = /^\/wasm\/([\w-]+\.wasm)$/.exec(path) ?? [];
    if (file === undefined) throw new Error(`there is no ${path}`);
    const folder = join(modules, '@tensorflow', 'tfjs-backend-wasm', 'dist');
    return ['application/wasm', await readFile(join(folder, file))];
  };
  return serveIsolated(answer);
}

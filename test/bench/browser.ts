import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { ROOT } from '../../scripts/process.js';
import { provisionBrowser } from '../../scripts/provision/browser.js';
import { PAGE_BUILD } from '../harness/browser/pageBuild.js';
import { type Answer, serveIsolated } from '../harness/browser/serve.js';
import type { BenchRow } from './harness.js';
import type { PageOptions } from './page.js';
import type { RunOptions } from './runSuites.js';

const MODULES = join(ROOT, 'node_modules');

/** Folders of the packages' .wasm files and their loaders, by the path that the page asks for. */
const FOLDERS: Readonly<Record<string, string>> = {
  wasm: join(MODULES, '@tensorflow', 'tfjs-backend-wasm', 'dist'),
  onnx: join(MODULES, 'onnxruntime-web', 'dist'),
};

const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`;

/**
 * Runs the suites for browsers in Chromium; gives its name and version, and its GPU's. Rows come as
 * they do in Node.
 */
export async function benchInBrowser(options: RunOptions): Promise<Record<string, string>> {
  const { log, onRows, signal, ...asked } = options;
  const found = await provisionBrowser(log);
  if (!found.available) throw new Error(`There is no browser: ${found.reason}.`);
  const server = await servePage('page.ts');
  const browser = await chromium.launch({
    executablePath: found.path,
    // Chromium's sandbox does not start for root, as in containers
    chromiumSandbox: process.getuid?.() !== 0,
  });
  // ends what runs in the page
  signal?.addEventListener('abort', () => void browser.close());
  try {
    const page = await browser.newPage();
    await page.exposeFunction('benchLog', log);
    await page.exposeFunction('benchRows', (rows: readonly BenchRow[]) => onRows(rows));
    const { port } = server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForFunction(() => globalThis.runBench !== undefined);
    const { adapter } = await page.evaluate(
      (wanted) => globalThis.runBench(wanted),
      asked satisfies PageOptions,
    );
    const name = { browser: `Chromium ${browser.version()}` };
    return adapter === null ? name : { ...name, adapter };
  } finally {
    await browser.close();
    server.close();
  }
}

/** Serves a page that runs a script of this folder, which may start a worker, '/worker.js'. */
export async function servePage(script: string, worker?: string): Promise<Server> {
  const scripts = new Map([['/page.js', await bundle(script)]]);
  if (worker !== undefined) scripts.set('/worker.js', await bundle(worker));
  return serve(scripts);
}

async function bundle(script: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, 'test', 'bench', script)],
    ...PAGE_BUILD,
    // the runtime without WebGL and WebGPU: as in Node
    alias: { 'onnxruntime-web': 'onnxruntime-web/wasm' },
  });
  return outputFiles[0]!.contents;
}

/** Serves the page cross-origin isolated: only then is its clock finer than 0.1 ms. */
function serve(scripts: ReadonlyMap<string, Uint8Array>): Promise<Server> {
  const answer: Answer = async (path) => {
    if (path === '/') return ['text/html', PAGE];
    const script = scripts.get(path);
    if (script !== undefined) return ['text/javascript', script];
    const [, folder, file] = /^\/(\w+)\/([\w.-]+)$/.exec(path) ?? [];
    const at = FOLDERS[folder ?? ''];
    if (at === undefined || file === undefined) throw new Error(`there is no ${path}`);
    const type = file.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
    return [type, await readFile(join(at, file))];
  };
  return serveIsolated(answer);
}

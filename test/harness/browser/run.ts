import type { AddressInfo } from 'node:net';
import { chromium, type Page } from 'playwright-core';
import { WASM_BUILDS, type WasmBuild } from '../backends/wasmBuildNames.js';
import { addTally, count, emptyTally, type Tally } from '../run/tally.js';
import type { PageEvent } from './pageEvent.js';
import { bundle, servePages } from './pages.js';
import { SCRIPTS, type Script } from './suites.js';

/** What part of the suites to run; absent means all. */
export interface BrowserSelection {
  /** Test files, from the project's folder. Default `SCRIPTS`. */
  readonly files?: readonly string[];
  /** Only tests whose full titles match this regular expression. */
  readonly grep?: string;
  /** Only these backends, where a suite runs on several. Default all of the page. */
  readonly backends?: readonly string[];
  /** Only these builds of tfjs-backend-wasm, a page each. Default the one that tfjs chooses. */
  readonly wasmBuilds?: readonly WasmBuild[];
}

export interface BrowserRunOptions extends BrowserSelection {
  /** The Chromium or Chrome to run in. */
  readonly executablePath: string;
  readonly log: (line: string) => void;
}

/** A page of its own. */
interface PageRun {
  /** What failures and suites are marked with; empty for pages that run what no other does. */
  readonly label: string;
  readonly script: Script;
  /** What page.ts, backends.browser.ts and wasmBuild.ts read; mocha itself reads `grep`. */
  readonly query: URLSearchParams;
}

/** What a page of all suites may run. */
const PAGE_BACKENDS = ['cpu', 'wasm', 'webgl', 'webgpu'];

/**
 * All suites on WebGPU, in so many browsers: a software GPU keeps open some files for each tensor
 * that tfjs reads synchronously, and a process may open only so many.
 */
const WEBGPU_PARTS = ['0/4', '1/4', '2/4', '3/4'];

/** A page that is silent for this long hangs. */
const SILENCE_MS = 120_000;

/** WebGPU without a GPU: all of these, or it seems to start and then gives zeros. */
const FLAGS = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-angle=swiftshader',
  '--use-vulkan=swiftshader',
  '--use-webgpu-adapter=swiftshader',
  // zeros in workgroup memory by a loop: otherwise SwiftShader compiles a store for each number of
  // it, seconds a program
  '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-quic',
  '--disable-sync',
  '--no-first-run',
];

/** What a page counted, and how its WebGPU device was lost, if it was. */
interface Watched {
  readonly tally: Tally;
  readonly lost: string | null;
}

/**
 * Runs the suites in a real browser: on webgl with what is of no backend, on webgpu, then on every
 * build of wasm; on cpu, and on the builds that others run too, what differs from Node.
 */
export async function runInBrowser(options: BrowserRunOptions): Promise<Tally> {
  const { executablePath, log, files } = options;
  const runs = pagesOf(options);
  const scripts = new Map<string, Uint8Array>();
  for (const { script } of runs) {
    if (!scripts.has(script)) scripts.set(script, await bundle(files ?? SCRIPTS[script]));
  }
  const server = await servePages(scripts);
  const { port } = server.address() as AddressInfo;
  const tally = emptyTally();
  const watched = ({ label, script, query }: PageRun) =>
    inNewBrowser(executablePath, (page) => {
      const url = `http://127.0.0.1:${port}/page/${script}/?${query}`;
      return watch(page, label, log, () => page.goto(url, { timeout: SILENCE_MS }));
    });
  try {
    for (const run of runs) {
      const begin = performance.now();
      let { tally: counted, lost } = await watched(run);
      if (lost !== null) {
        log(`The WebGPU device was lost (${lost}): these suites run again, in a new browser.`);
        ({ tally: counted, lost } = await watched(run));
        if (lost !== null) count(counted, 'the WebGPU device', 'failed');
      }
      addTally(tally, counted);
      const took = ((performance.now() - begin) / 60_000).toFixed(1);
      log(`page ${decodeURIComponent(`${run.query}`)}: ${took} minutes`);
    }
    return tally;
  } finally {
    server.close();
  }
}

/** A browser has one GPU process: what dies there must not take other pages' contexts along. */
async function inNewBrowser<T>(
  executablePath: string,
  use: (page: Page) => Promise<T>,
): Promise<T> {
  // Chromium's sandbox does not start for root, as in containers
  const chromiumSandbox = process.getuid?.() !== 0;
  const browser = await chromium.launch({ executablePath, chromiumSandbox, args: FLAGS });
  try {
    return await use(await browser.newPage());
  } finally {
    await browser.close();
  }
}

function pagesOf({ files, grep, backends, wasmBuilds }: BrowserSelection): PageRun[] {
  const page = (script: Script, names: readonly string[], more = {}, label = ''): PageRun => {
    const all = { ...(grep === undefined ? {} : { grep }), backends: names.join(','), ...more };
    return { label, script, query: new URLSearchParams(all) };
  };
  // what is of no backend runs in the page of all
  const blocks = files === undefined ? { blocks: 'wasm' } : {};
  const builds = (names: readonly WasmBuild[]) =>
    names.map((wasm) => page(wasm, ['wasm'], { wasm, ...blocks }, `wasm, ${wasm}`));
  if (wasmBuilds !== undefined) return builds(wasmBuilds);
  const parts = (files ?? grep) ? ['0/1'] : WEBGPU_PARTS;
  const onWebgpu = parts.map((part) => page('all', ['webgpu'], { blocks: 'webgpu', part }));
  if ((files ?? grep ?? backends) === undefined) {
    return [page('all', ['webgl']), ...onWebgpu, page('cpu', ['cpu']), ...builds(WASM_BUILDS)];
  }
  const asked = backends ?? PAGE_BACKENDS;
  const others = asked.filter((name) => name !== 'webgpu');
  return [
    ...(others.length > 0 ? [page('all', others)] : []),
    ...(asked.includes('webgpu') ? onWebgpu : []),
  ];
}

/**
 * Counts what the page tells until it has told all; a page that dies or hangs is one failure more.
 */
async function watch(
  page: Page,
  label: string,
  log: (line: string) => void,
  start: () => Promise<unknown>,
): Promise<Watched> {
  const tally = emptyTally();
  let lost: string | null = null;
  const mark = label === '' ? '' : ` [${label}]`;
  await new Promise<void>((resolve) => {
    let over = false;
    const end = (failure?: string) => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      if (failure !== undefined) {
        log(`FAILED${mark}: ${failure}`);
        count(tally, `the page${mark}`, 'failed');
      }
      resolve();
    };
    const timer = setTimeout(
      () => end(`the page was silent for ${SILENCE_MS / 1000} s`),
      SILENCE_MS,
    );
    const take = (event: PageEvent) => {
      if (over) return;
      if (event.kind === 'end') {
        log([`Slowest${mark}:`, ...event.slowest].join('\n  '));
        return end();
      }
      timer.refresh();
      if (event.kind === 'lost') {
        lost = event.text;
        return end();
      }
      count(tally, `${event.suite}${mark}`, event.kind);
      if (event.text === undefined) return;
      log(event.kind === 'failed' ? `FAILED${mark}: ${event.text}` : event.text);
    };
    page.on('pageerror', (error) => end(`the page threw ${error.stack ?? error.message}`));
    page.on('crash', () => end('the page crashed'));
    page
      .exposeFunction('tellDriver', take)
      .then(start)
      .catch((error: Error) => end(`the page did not load: ${error.message}`));
  });
  return { tally, lost };
}

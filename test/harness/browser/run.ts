import type { AddressInfo } from 'node:net';
import { chromium, type Page } from 'playwright-core';
import { WASM_BUILDS } from '../backends/wasmBuildNames.js';
import { addTally, type Counts, count, emptyTally, type Tally } from '../run/tally.js';
import { bundle, servePages } from './pages.js';
import { SUITES, WASM_SUITES } from './suites.js';

/**
 * What the page tells: the outcome of a test, with the error or the reason, or that all have run.
 */
export type PageEvent =
  | { kind: keyof Counts; suite: string; text?: string }
  | { kind: 'end'; slowest: readonly string[] };

/** What part of the suites to run; absent means all. */
export interface BrowserSelection {
  /** Test files, from the project's folder. Default `SUITES`. */
  readonly files?: readonly string[];
  /** Only tests whose full titles match this regular expression. */
  readonly grep?: string;
  /** Only these backends, where a suite runs on several. Default all of the page. */
  readonly backends?: readonly string[];
  /** Only these builds of tfjs-backend-wasm, a page each. Default the one that tfjs chooses. */
  readonly wasmBuilds?: readonly string[];
}

export interface BrowserRunOptions extends BrowserSelection {
  /** The Chromium or Chrome to run in. */
  readonly executablePath: string;
  readonly log: (line: string) => void;
}

/** A page of its own. */
interface PageRun {
  /** What failures and suites are marked with; empty for the page that has all backends. */
  readonly label: string;
  readonly script: 'all' | 'wasm';
  /** What page.ts, backends.browser.ts and wasmBuild.ts read; mocha itself reads `grep`. */
  readonly query: URLSearchParams;
}

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

/**
 * Runs the suites in a real browser, on its cpu, wasm, webgl and webgpu backends, then on every
 * build of wasm alone.
 */
export async function runInBrowser(options: BrowserRunOptions): Promise<Tally> {
  const { executablePath, log, files } = options;
  const runs = pagesOf(options);
  const scripts = new Map<string, Uint8Array>();
  for (const { script } of runs) {
    const suites = files ?? (script === 'all' ? SUITES : WASM_SUITES);
    if (!scripts.has(script)) scripts.set(script, await bundle(suites));
  }
  const server = await servePages(scripts);
  // Chromium's sandbox does not start for root, as in containers
  const chromiumSandbox = process.getuid?.() !== 0;
  const browser = await chromium.launch({ executablePath, chromiumSandbox, args: FLAGS });
  const tally = emptyTally();
  try {
    const { port } = server.address() as AddressInfo;
    for (const { label, script, query } of runs) {
      const page = await browser.newPage();
      const url = `http://127.0.0.1:${port}/page/${script}/?${query}`;
      addTally(tally, await watch(page, label, log, () => page.goto(url)));
      await page.close();
    }
    return tally;
  } finally {
    await browser.close();
    server.close();
  }
}

function pagesOf({ files, grep, backends, wasmBuilds }: BrowserSelection): PageRun[] {
  const selected = { ...(grep === undefined ? {} : { grep }) };
  const all: PageRun = {
    label: '',
    script: 'all',
    query: new URLSearchParams({
      ...selected,
      ...(backends === undefined ? {} : { backends: backends.join(',') }),
    }),
  };
  const builds = (names: readonly string[]) =>
    names.map(
      (wasm): PageRun => ({
        label: `wasm, ${wasm}`,
        script: 'wasm',
        query: new URLSearchParams({ ...selected, backends: 'wasm', wasm }),
      }),
    );
  if (wasmBuilds !== undefined) return builds(wasmBuilds);
  // other pages come to what is asked for only when it is all
  return (files ?? grep ?? backends) ? [all] : [all, ...builds(WASM_BUILDS)];
}

/**
 * Counts what the page tells until it has told all; a page that dies or hangs is one failure more.
 */
async function watch(
  page: Page,
  label: string,
  log: (line: string) => void,
  start: () => Promise<unknown>,
): Promise<Tally> {
  const tally = emptyTally();
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
  return tally;
}

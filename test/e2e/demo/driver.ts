import { readFile } from 'node:fs/promises';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { Column } from '../../../examples/browser/shared/protocol.js';

/** WebGL without a GPU. */
const FLAGS = [
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--no-first-run',
];

/** A run may take this long on a busy machine (ms). */
const RUN_LIMIT_MS = 150_000;

/** How a run of the page ended, and what it tells whoever measures. */
export interface Ended {
  readonly state: string;
  readonly problem: string;
  readonly firstPictureMs: number;
  readonly tensors: number;
}

/** A file as a form takes it. */
export interface PickedFile {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

/** WebGPU without a GPU, however long a program takes. */
export const WEBGPU_FLAGS = ['--enable-unsafe-webgpu', '--disable-gpu-watchdog'];

/** Starts a Chromium without a window. */
export function launch(executablePath: string, more: readonly string[] = []): Promise<Browser> {
  // Chromium's sandbox does not start for root, as in containers
  const chromiumSandbox = process.getuid?.() !== 0;
  return chromium.launch({ executablePath, chromiumSandbox, args: [...FLAGS, ...more] });
}

/** Opens the demo with settings in the address, and waits until it has found its backends. */
export async function openDemo(page: Page, url: string, link: string): Promise<void> {
  // an address that differs behind the # alone would not load the page again
  await page.goto('about:blank');
  await page.goto(`${url}#${link}`);
  await page.waitForSelector('#results[data-backends]');
}

/** Presses Start, and waits until the run has ended. */
export async function runDemo(page: Page): Promise<Ended> {
  await page.click('#start');
  return ended(page);
}

/** Waits until the run has ended. */
export async function ended(page: Page): Promise<Ended> {
  const limit = { timeout: RUN_LIMIT_MS };
  await page.waitForSelector('#results:not([data-state="running"])', limit);
  return page.evaluate(() => {
    const { state = '', firstPictureMs, tensors } = document.getElementById('results')!.dataset;
    const problem = document.getElementById('problem')!;
    return {
      state,
      problem: problem.hidden ? '' : problem.textContent,
      firstPictureMs: Number(firstPictureMs ?? Number.NaN),
      tensors: Number(tensors ?? Number.NaN),
    };
  });
}

/** Waits until the original is being drawn, or was: a busy machine may look too late. */
export async function drawing(page: Page): Promise<void> {
  await page.waitForFunction(
    () => {
      const { state, firstPictureMs } = document.getElementById('results')!.dataset;
      const stage = document.getElementById('stage')!.textContent;
      const drawn = state === 'running' && firstPictureMs !== undefined;
      return drawn || stage.startsWith('The original denoises');
    },
    undefined,
    { timeout: RUN_LIMIT_MS },
  );
}

/** Takes the WebGL context of the page's worker away. */
export async function loseContext(page: Page): Promise<void> {
  await page.workers()[0]!.evaluate(() => {
    const { _tfengine: engine } = globalThis as unknown as {
      _tfengine: { backend: { gpgpu: { gl: WebGL2RenderingContext } } };
    };
    engine.backend.gpgpu.gl.getExtension('WEBGL_lose_context')!.loseContext();
  });
}

/** RGB bytes [pictures, S, S, 3] of a column's canvases. */
export async function picturesOf(page: Page, column: Column): Promise<Uint8Array> {
  const bytes = await page.$$eval(`#column-${column} canvas`, (canvases) =>
    canvases.flatMap((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const context = (canvas as HTMLCanvasElement).getContext('2d')!;
      return [...context.getImageData(0, 0, width, height).data].filter((_, i) => i % 4 !== 3);
    }),
  );
  return Uint8Array.from(bytes);
}

/** A row of the figures as numbers; null where there is nothing. */
export function figuresOf(page: Page, row: string): Promise<(number | null)[]> {
  return page.$$eval(
    '#figures tbody tr',
    (rows, wanted) => {
      const found = rows.find((one) => one.querySelector('th')!.textContent === wanted);
      return [...found!.querySelectorAll('td')].map(({ dataset: { value } }) =>
        value === undefined ? null : Number(value),
      );
    },
    row,
  );
}

/** Saves the packed model as a visitor does: by its links. */
export async function savedModel(page: Page): Promise<PickedFile[]> {
  const links = await page.locator('#downloads a[download]').all();
  const files: PickedFile[] = [];
  for (const link of links) {
    const name = (await link.getAttribute('download'))!;
    if (name === 'pictures.png') continue;
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const mimeType = 'application/octet-stream';
    files.push({ name, mimeType, buffer: await readFile(await download.path()) });
  }
  return files;
}

/** Whether nothing is wider than the screen. */
export function fitsWidth(page: Page): Promise<boolean> {
  return page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
}

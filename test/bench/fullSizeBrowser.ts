import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { provisionBrowser } from '../../scripts/provision/browser.js';
import { servePage } from './browser.js';
import type {} from './fullSizePage.js';
import type { FullSizeWork } from './fullSizeWork.js';

/**
 * The same in a page of Chromium, on WASM: from the `File`s of a folder to a packed model in the
 * page's own file system, and back. Each line is told with the most memory that the page's process
 * has had since the one before.
 *
 * @param log Gets lines; those of progress with false.
 */
export async function fullSizeInBrowser(
  folder: string,
  work: FullSizeWork,
  log: (line: string, isResult: boolean) => void,
): Promise<void> {
  const found = await provisionBrowser((line) => log(line, true));
  if (!found.available) throw new Error(`There is no browser: ${found.reason}.`);
  const server = await servePage('fullSizePage.ts', 'fullSizeWorker.ts');
  // on disk: without a profile a page's files are in memory, and have less room
  const profile = await mkdtemp(join(tmpdir(), 'full-size-profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: found.path,
    // Chromium's sandbox does not start for root, as in containers
    chromiumSandbox: process.getuid?.() !== 0,
  });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(0);
    await page.exposeFunction('fullSizeLog', async (line: string, isResult: boolean) => {
      const peak = isResult ? `, peak of the page ${await peakOf(context.browser()!)}` : '';
      log(`${line}${peak}`, isResult);
    });
    const { port } = server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForFunction(() => globalThis.runFullSize !== undefined);
    const files = (await readdir(folder)).map((name) => join(folder, name));
    await page.setInputFiles('input', files);
    await page.evaluate((wanted) => globalThis.runFullSize(wanted), work);
  } finally {
    await context.close();
    server.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** The most memory that a process of pages has had since it was asked, where Linux tells. */
async function peakOf(browser: Browser): Promise<string> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  const peaks = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(async ({ id }) => {
      const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
      // 5: from now on; where that is not allowed, it goes on from the beginning
      await writeFile(`/proc/${id}/clear_refs`, '5').catch(() => {});
      return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? Number.NaN);
    });
  const most = Math.max(...(await Promise.all(peaks)));
  return Number.isFinite(most) ? `${((most * 1024) / 1e9).toFixed(2)} GB` : 'not known';
}

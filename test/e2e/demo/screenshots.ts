import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { openDemo, runDemo } from './driver.js';

/** Writes demo.png and demo-phone.png, each after a run, into a folder. */
export async function takeScreenshots(
  browser: Browser,
  url: string,
  folder: string,
): Promise<void> {
  for (const [file, width, height, colorScheme] of [
    ['demo.png', 1280, 900, 'light'],
    ['demo-phone.png', 360, 740, 'dark'],
  ] as const) {
    const deviceScaleFactor = file === 'demo.png' ? 1 : 2;
    const options = { viewport: { width, height }, colorScheme, deviceScaleFactor };
    const screen = await browser.newContext(options);
    const shown = await screen.newPage();
    await openDemo(shown, url, file === 'demo.png' ? '' : 'pictures=2');
    expect((await runDemo(shown)).state).to.equal('done');
    await shown.mouse.move(0, 0);
    // of a phone what is in sight: a run scrolls to its pictures
    const fullPage = file === 'demo.png';
    await shown.screenshot({ path: join(folder, file), fullPage });
    await screen.close();
  }
}

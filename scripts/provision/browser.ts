/** Finds a Chromium or Chrome for the tests, and installs one where a fresh machine lacks it. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { aptInstall } from './apt.js';
import { resolveInstalled } from './context.js';
import { run } from './run.js';

export type BrowserResult =
  | { available: true; path: string }
  | { available: false; reason: string };

const INSTALL_LIMIT_MS = 15 * 60 * 1000;

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const PATHS = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe',
];

/**
 * A browser of the system (CHROME_PATH first), else Debian's package for root, else playwright's
 * own.
 */
export async function provisionBrowser(log: (line: string) => void): Promise<BrowserResult> {
  const found = findBrowser();
  if (found !== undefined) return { available: true, path: found };
  const problems: string[] = [];
  for (const install of [installFromDebian, installFromPlaywright]) {
    const problem = await install(log);
    const path = findBrowser();
    if (path !== undefined) return { available: true, path };
    problems.push(problem ?? 'it installed nothing that is found');
  }
  const missing = `no Chromium or Chrome (${problems.join('; ')})`;
  return { available: false, reason: `${missing}: install one, or name it in CHROME_PATH` };
}

function findBrowser(): string | undefined {
  const named = process.env.CHROME_PATH;
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => COMMANDS.map((command) => join(folder, command)));
  const all = [...(named ? [named] : []), ...onPath, ...PATHS, chromium.executablePath()];
  return all.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installFromDebian(log: (line: string) => void): Promise<string | undefined> {
  return aptInstall(['chromium'], { log, signal: undefined });
}

async function installFromPlaywright(log: (line: string) => void): Promise<string | undefined> {
  log("Installing playwright's Chromium");
  const cli = join(resolveInstalled('playwright-core/package.json'), '..', 'cli.js');
  const done = await run(process.execPath, [cli, 'install', 'chromium'], {
    timeoutMs: INSTALL_LIMIT_MS,
    signal: undefined,
    onLine: (line) => log(`  ${line}`),
  });
  return done.ok ? undefined : `playwright install: ${done.problem}`;
}

/**
 * Browsers that playwright does not drive as they are installed: Firefox and WebKit. They are
 * started with an address, and the page tells its server what came of it.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A browser, or why it is not to be had. */
export interface OtherBrowser {
  readonly name: 'Firefox' | 'WebKit';
  readonly missing: string | null;
  /** Opens a page in a browser of its own; gives what closes it. */
  open(url: string): () => Promise<void>;
}

/** No questions, no updates, no telemetry; a page may be busy as long as it likes. */
const FIREFOX_SETTINGS = [
  ['browser.shell.checkDefaultBrowser', false],
  ['browser.aboutwelcome.enabled', false],
  ['datareporting.policy.dataSubmissionEnabled', false],
  ['toolkit.telemetry.enabled', false],
  ['app.update.enabled', false],
  ['app.normandy.enabled', false],
  ['browser.safebrowsing.update.enabled', false],
  ['extensions.update.enabled', false],
  ['network.captive-portal-service.enabled', false],
  ['network.connectivity-service.enabled', false],
  ['dom.max_script_run_time', 0],
] as const;

export const OTHER_BROWSERS: readonly OtherBrowser[] = [firefox(), webkit()];

function firefox(): OtherBrowser {
  const path = onPath('firefox-esr') ?? onPath('firefox');
  const name = 'Firefox';
  if (path === null) return missing(name, 'apt-get install firefox-esr, on Debian');
  const settings = FIREFOX_SETTINGS.map(
    ([key, value]) => `user_pref(${JSON.stringify(key)}, ${value});`,
  );
  const open = (url: string) =>
    start((home) => {
      writeFileSync(join(home, 'user.js'), settings.join('\n'));
      return [path, '--headless', '--no-remote', '--profile', home, url];
    });
  return { name, missing: null, open };
}

function webkit(): OtherBrowser {
  const name = 'WebKit';
  const [path, display] = [miniBrowser(), onPath('xvfb-run')];
  if (path === null || display === null) {
    return missing(name, 'apt-get install webkit2gtk-driver xvfb xauth, on Debian');
  }
  const open = (url: string) => start(() => [display, '-a', path, url]);
  return { name, missing: null, open };
}

/** WebKitGTK's browser for tests, where Debian has it. */
function miniBrowser(): string | null {
  try {
    for (const machine of readdirSync('/usr/lib')) {
      if (!machine.includes('-linux-')) continue;
      const folders = readdirSync(join('/usr/lib', machine));
      for (const folder of folders.filter((one) => one.startsWith('webkit2gtk-4'))) {
        const path = join('/usr/lib', machine, folder, 'MiniBrowser');
        if (isProgram(path)) return path;
      }
    }
  } catch {
    // no such folders: another system
  }
  return null;
}

function missing(name: OtherBrowser['name'], wayOut: string): OtherBrowser {
  const reason = `${name} is not installed (${wayOut})`;
  const open = () => {
    throw new Error(reason);
  };
  return { name, missing: reason, open };
}

function start(commandOf: (home: string) => string[]): () => Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'tfjs-hadanorm-browser-'));
  const [program, ...args] = commandOf(home) as [string, ...string[]];
  // WebKit's sandbox does not start for root, as in containers
  const root = process.getuid?.() === 0;
  const sandbox = root ? { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' } : {};
  const env = { ...process.env, HOME: home, XDG_CACHE_HOME: home, ...sandbox };
  // a group of its own, for it has children
  const child = spawn(program, args, { env, stdio: 'ignore', detached: true });
  const closed = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  });
  return async () => {
    if (child.pid !== undefined) killGroup(child.pid);
    await closed;
    rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}

function onPath(program: string): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, program)).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { OtherBrowser } from '../../harness/browser/others.js';
import { serveIsolated } from '../../harness/browser/serve.js';

/** What a page tells that clicks Start by itself. */
export interface Told {
  readonly state: string;
  readonly problem: string;
  readonly isolated: boolean;
  /** How the backend ran, in words. */
  readonly engine: string;
  /** Backends that are there. */
  readonly backends: string;
  /** PSNR of the quantized model's pictures to the original's, dB. */
  readonly psnr: number;
  readonly seconds: number;
  /** Errors that the page did not catch. */
  readonly thrown: readonly string[];
}

const DRIVE = `
const results = document.getElementById('results');
const until = (holds) => new Promise((resolve) => {
  const look = () => (holds() ? resolve() : setTimeout(look, 100));
  look();
});
const thrown = [];
addEventListener('error', ({ message }) => thrown.push(message));
await until(() => results.dataset.backends !== undefined);
const began = performance.now();
document.getElementById('start').click();
await until(() => results.dataset.state === 'running');
await until(() => results.dataset.state !== 'running');
const row = [...document.querySelectorAll('#figures tbody tr')]
  .find((one) => one.textContent.startsWith('PSNR'));
fetch('/told', { method: 'POST', body: JSON.stringify({
  state: results.dataset.state,
  problem: document.getElementById('problem').textContent,
  isolated: crossOriginIsolated,
  engine: document.getElementById('engine').textContent,
  backends: results.dataset.backends,
  psnr: Number(row?.lastElementChild.dataset.value),
  seconds: (performance.now() - began) / 1000,
  thrown,
}) });
`;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** Runs the built demo once, with settings as its address has them, in a browser without driver. */
export async function runElsewhere(
  browser: OtherBrowser,
  folder: string,
  settings: string,
): Promise<Told> {
  let tell: (told: Told) => void = () => {};
  const told = new Promise<Told>((resolve) => {
    tell = resolve;
  });
  const server = await serveIsolated(async (url, request) => {
    const { pathname } = new URL(url, 'http://localhost');
    if (pathname === '/drive.js') return ['text/javascript', DRIVE];
    if (pathname === '/told') {
      tell(JSON.parse(await text(request)) as Told);
      return ['text/plain', ''];
    }
    const path = pathname === '/' ? '/index.html' : pathname;
    const bytes = await readFile(join(folder, path));
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    if (pathname !== '/') return [type, bytes];
    return [type, `${bytes}<script type="module" src="/drive.js"></script>`];
  });
  const { port } = server.address() as AddressInfo;
  const close = browser.open(`http://127.0.0.1:${port}/#${settings}`);
  try {
    return await told;
  } finally {
    await close();
    server.close();
  }
}

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { preview } from 'vite';
import { ROOT } from '../../../scripts/process.js';
import { CHILD_ENV } from '../../harness/run/child.js';

const CONFIG = join(ROOT, 'examples', 'browser', 'vite.config.ts');

/** The demo as it was built, and where it is served. */
export interface Site {
  readonly folder: string;
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Builds the demo into a folder of its own as `npm run build:demo` does, and serves it as
 * `npm run demo` does.
 */
export async function serveDemo(): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'tfjs-hadanorm-demo-'));
  const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
  const args = [vite, 'build', '--config', CONFIG, '--outDir', folder, '--logLevel', 'warn'];
  await promisify(execFile)(process.execPath, [...args, '--emptyOutDir'], { env: CHILD_ENV });
  const { NODE_ENV } = process.env;
  const server = await preview({
    configFile: CONFIG,
    logLevel: 'silent',
    build: { outDir: folder },
    preview: { host: '127.0.0.1', port: 0 },
  });
  // vite sets it, for this process and its other suites too
  if (NODE_ENV === undefined) delete process.env.NODE_ENV;
  const { port } = server.httpServer.address() as AddressInfo;
  return {
    folder,
    url: `http://127.0.0.1:${port}/`,
    close: async () => {
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}

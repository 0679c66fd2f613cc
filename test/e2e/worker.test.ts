import { symlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { expect } from 'chai';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { ROOT } from '../../scripts/process.js';
import { provisionBrowser } from '../../scripts/provision/browser.js';
import { serveIsolated } from '../harness/browser/serve.js';
import { UserProject } from '../harness/run/userProject.js';
import { launch } from './demo/driver.js';
import { PAGE, WORKER } from './workerPage.js';

const browserResult = await provisionBrowser((line) => console.log(line));

/** What the page may be blocked for (ms). */
const BLOCKED_MS = 50;

/** An error as the page has it. */
interface Thrown {
  readonly name: string;
  readonly message: string;
  /** Whether it is of the package's own classes there. */
  readonly ours: boolean;
}

/** What the page's run gives. */
interface Outcome {
  readonly checkpoint: {
    readonly wrong: Thrown;
    readonly cancelled: Thrown;
    readonly stages: readonly string[];
    readonly saved: readonly string[];
    readonly sqnr: number;
  };
  readonly broken: Thrown;
  readonly early: Thrown;
  readonly noBackend: Thrown;
  readonly aborted: Thrown;
  readonly forgotten: Thrown;
  readonly progress: readonly string[];
  readonly blocked: readonly number[];
  readonly inputs: readonly string[];
  readonly linears: number;
  readonly shape: readonly number[];
  readonly psnr: number;
  readonly same: boolean;
  readonly files: readonly string[];
  readonly stats: number;
}

describe('A model in a worker', () => {
  if (!browserResult.available) {
    it.skip(`SKIPPED: ${browserResult.reason}`);
    return;
  }
  const { path } = browserResult;
  let project: UserProject;
  let browser: Browser;
  let server: Server;
  let page: Page;
  let outcome: Outcome;

  before(async () => {
    project = new UserProject();
    project.link('@tensorflow/tfjs-backend-wasm');
    project.link('tfjs-hadanorm-avatars-nano');
    const entryPoints = [project.write('page.js', PAGE), project.write('worker.js', WORKER)];
    const { metafile } = await build({
      ...{ entryPoints, bundle: true, splitting: true, minify: true, metafile: true },
      ...{ format: 'esm', outdir: join(project.folder, 'out'), absWorkingDir: project.folder },
    });
    const output = metafile.outputs['out/page.js']!;
    expect(Object.keys(output.inputs).join()).to.not.include('@tensorflow');
    console.log(`      the page's own script: ${(output.bytes / 1000).toFixed(1)} kB`);
    const checkpoint = join(ROOT, 'test/fixtures/checkpoints/dit');
    symlinkSync(checkpoint, join(project.folder, 'checkpoint'));
    project.write(
      'index.html',
      '<!doctype html><script type="module" src="/out/page.js"></script>',
    );
    server = await serveIsolated((url) => fileAt(project, url));
    browser = await launch(path);
    page = await browser.newPage();
    const { port } = server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/index.html`);
    await page.waitForFunction('globalThis.run !== undefined');
    outcome = await page.evaluate<Outcome>('globalThis.run()');
  });
  after(async () => {
    await browser?.close();
    server?.close();
    project.remove();
  });

  it('is loaded, calibrated and quantized, and draws as the original does', () => {
    expect(outcome.inputs).to.deep.equal(['label', 'latent', 'timestep']);
    expect(outcome.linears).to.equal(35);
    expect(outcome.shape).to.deep.equal([2, 32, 32, 3]);
    expect(outcome.psnr).to.be.within(20, 80);
    expect(outcome.stats).to.be.above(1000);
  });

  it('gives the files of what it was made, which load again and draw the same', () => {
    expect(outcome.files).to.include('model.json');
    expect(outcome.same).to.equal(true);
  });

  it('makes a packed model of a checkpoint’s Files, and keeps it in the browser’s own', () => {
    const { wrong, cancelled, stages, saved, sqnr } = outcome.checkpoint;
    expect(sqnr).to.be.within(15, 60);
    expect(new Set(stages.map((told) => told.split(' ')[0]))).to.have.all.keys(
      ...['load', 'calibrate', 'quantize', 'save'],
    );
    expect(saved).to.deep.equal(['group1-shard1of1.bin', 'model.json']);
    expect(wrong).to.include({ name: 'CheckpointError' });
    expect(cancelled).to.include({ name: 'AbortError', ours: true });
  });

  it('tells the page how far it is', () => {
    expect(outcome.progress).to.include('sample 2 2');
    expect(outcome.progress.length).to.be.at.least(6);
  });

  it('is cancelled by a signal', () => {
    expect(outcome.aborted).to.include({ name: 'AbortError', ours: true });
  });

  it('says what is missing, as errors of the package', () => {
    for (const [error, message] of [
      [outcome.broken, 'worker: its script does not run, or is not there. Bundlers bundle it'],
      [outcome.early, 'worker: there is no original model. Call load(url) first.'],
      [outcome.noBackend, 'worker: the backend "abacus" does not start.'],
      [outcome.forgotten, 'worker: there are no statistics. Call calibrate,'],
    ] as const) {
      expect(error).to.include({ name: 'HadaNormError', ours: true });
      expect(error.message).to.include(message);
    }
  });

  it(`does not block the page for more than ${BLOCKED_MS} ms`, () => {
    console.log(`      longest: ${Math.max(0, ...outcome.blocked).toFixed()} ms`);
    expect(outcome.blocked.filter((ms) => ms > BLOCKED_MS)).to.deep.equal([]);
  });
});

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

async function fileAt(
  project: UserProject,
  url: string,
): Promise<[type: string, body: Uint8Array]> {
  const type = TYPES[extname(url)] ?? 'application/octet-stream';
  return [type, await readFile(join(project.folder, url))];
}

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { basename, dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { zipSync } from 'fflate';
import { createServer, type ViteDevServer } from 'vite';
import { ROOT } from '../../scripts/process.js';
import { provisionBrowser } from '../../scripts/provision/browser.js';
import { npyBytes, parseNpy } from '../../src/bin/shared/npy.js';
import '../harness/backends/backends.js';
import { publishedFolder } from '../harness/models/published.js';
import { normal } from '../harness/numbers/random.js';
import { runCommand } from '../harness/run/commandLine.js';
import { launch } from './demo/driver.js';

const browserResult = await provisionBrowser((line) => console.log(line));

const GUIDE = readFileSync(join(ROOT, 'docs', 'hub-to-page.md'), 'utf8');

/** Blocks of the guide in a language. */
function blocks(language: string): string[] {
  const fences = GUIDE.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm);
  return [...fences].filter(([, name]) => name === language).map(([, , body]) => body!);
}

/** The lines of a shell, each with what follows a backslash. */
const COMMANDS = blocks('sh').flatMap((block) =>
  block
    .trim()
    .replace(/\\\n */g, '')
    .split('\n'),
);

/** As the hubs of both have them. */
const SCHEDULERS = {
  'DiT-XL-2-256': {
    _class_name: 'DDIMScheduler',
    ...{ beta_schedule: 'linear', beta_start: 0.0001, beta_end: 0.02, clip_sample: false },
    ...{ num_train_timesteps: 1000, prediction_type: 'epsilon', set_alpha_to_one: true },
  },
  'PixArt-Sigma': { _class_name: 'DPMSolverMultistepScheduler', beta_schedule: 'linear' },
};

/** Numbers of several captions, for the tiny PixArt, as numpy.savez has them. */
function captions(count: number): Uint8Array {
  const text = npyBytes(normal(count * 300 * 20, count), [count, 300, 20]);
  const mask = Float32Array.from({ length: count * 300 }, (_, i) => (i % 300 < 9 ? 1 : 0));
  return zipSync({ 'text.npy': text, 'textMask.npy': npyBytes(mask, [count, 300]) });
}

describe('The guide from a hub to a page', () => {
  const cwd = process.cwd();
  let folder: string;
  const at = (path: string) => join(folder, path);
  const write = (path: string, contents: string | Uint8Array) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), contents);
  };

  before(() => {
    // inside the project, so that imports resolve as they do for its examples
    folder = mkdtempSync(join(ROOT, 'examples', '.guide-'));
    for (const [name, config] of Object.entries(SCHEDULERS)) {
      write(`${name}/scheduler/scheduler_config.json`, JSON.stringify(config));
      const fixture = publishedFolder(name === 'PixArt-Sigma' ? 'pixartSigma' : 'dit');
      cpSync(fixture, at(`${name}/transformer`), { recursive: true });
    }
    write('captions.npz', captions(2));
    write('empty.npz', captions(1));
    process.chdir(folder);
  });
  after(() => {
    process.chdir(cwd);
    rmSync(folder, { recursive: true, force: true });
  });

  it('names the files that the commands read', () => {
    for (const file of blocks('text')[0]!.trim().split('\n')) readFileSync(at(file));
  });

  /** What a command prints; those of others are done as they do it. */
  const RUN: readonly [RegExp, (words: string[]) => Promise<string>][] = [
    [/^npx tfjs-hadanorm /, async (words) => (await runCommand(words.slice(2))).stdout],
    [/^cp /, async ([, from, to]) => copied(from!, to!)],
    // the page's test serves
    [/^npx vite$/, async () => ''],
    [/^npm install /, async (words) => installed(words.slice(2))],
  ];

  async function copied(file: string, into: string): Promise<string> {
    cpSync(file, join(into, basename(file)));
    return '';
  }

  /** What is installed is what runs: imports of the page, and what npx and the backend are. */
  async function installed(packages: string[]): Promise<string> {
    const imports = blocks('js').flatMap((code) => [...code.matchAll(/from '([^.][^']*)'/g)]);
    const names = imports.map(([, name]) => name!.replace(/^(@[^/]+\/[^/]+|[^@/]+).*/, '$1'));
    const all = new Set([...names, '@tensorflow/tfjs-backend-wasm', 'vite']);
    expect(packages.sort()).to.deep.equal([...all].sort());
    return '';
  }

  const SAYS: readonly [RegExp, RegExp][] = [
    [/ inspect /, /attention\.q[\s\S]*\n\d+ linears, [\d.]+ kB of float32 weights\n$/],
    [/ quantize (?!.*--scheduler)/, /: nothing measured\n$/],
    [/ quantize .*--scheduler/, /: least output SQNR (2|3)[\d.]+ dB\n$/],
    [/ verify /, /\nwasm .*0\.9\d+/],
    [/ sample public\/model/, /^latents\.npy: float32 \[2,8,8,4\]\n$/],
    [/ sample public\/pixart/, /^drawn\.npy: float32 \[2,8,8,4\]\n$/],
  ];

  for (const command of COMMANDS) {
    it(command, async () => {
      const [, run] = RUN.find(([pattern]) => pattern.test(command)) ?? [];
      expect(run, 'a command that this test knows').not.to.equal(undefined);
      const printed = await run!(command.split(/\s+/));
      const [, wanted] = SAYS.find(([pattern]) => pattern.test(command)) ?? [];
      expect(printed).to.match(wanted ?? /^$/);
    });
  }

  it('the page draws what the command line has drawn', async function () {
    if (!browserResult.available) {
      console.log(`SKIPPED: ${browserResult.reason}`);
      this.skip();
    }
    write('index.html', blocks('html')[0]!);
    write('page.js', blocks('js')[0]!);
    const server = await served(folder);
    const browser = await launch(browserResult.path);
    try {
      const page = await browser.newPage();
      const said: string[] = [];
      page.on('pageerror', ({ message }) => said.push(message));
      const { port } = server.httpServer!.address() as AddressInfo;
      await page.goto(`http://127.0.0.1:${port}/`);
      await page.waitForFunction(() => document.querySelector('#status')?.textContent === 'Done');
      const drawn = await page.evaluate(() =>
        [...document.querySelectorAll('canvas')].map((canvas) => {
          const { width, height } = canvas;
          return [...canvas.getContext('2d')!.getImageData(0, 0, width, height).data];
        }),
      );
      expect(said).to.deep.equal([]);
      const wanted = coloursOf(at('latents.npy'));
      expect(drawn.flat().length).to.equal(wanted.length);
      const off = drawn.flat().map((value, i) => Math.abs(value - wanted[i]!));
      expect(Math.max(...off)).to.be.below(12);
      expect(off.reduce((sum, one) => sum + one) / off.length).to.be.below(2);
    } finally {
      await browser.close();
      await server.close();
    }
  });
});

/** What `npx vite` serves. */
async function served(root: string): Promise<ViteDevServer> {
  const { NODE_ENV } = process.env;
  const server = await createServer({
    ...{ root, configFile: false, logLevel: 'error', cacheDir: join(root, '.vite') },
    server: { host: '127.0.0.1', port: 0, hmr: false, fs: { strict: false } },
  });
  // vite sets it, for this process and its other suites too
  if (NODE_ENV === undefined) delete process.env.NODE_ENV;
  return server.listen();
}

/** The latents of a file as the page colours them: RGBA, sample by sample. */
function coloursOf(file: string): number[] {
  const { values, shape } = parseNpy(new Uint8Array(readFileSync(file)), file);
  const rgb = tf.tidy(() => {
    const x = tf.slice(tf.tensor(values, [...shape]), [0, 0, 0, 0], [-1, -1, -1, 3]);
    const low = tf.min(x);
    return [...tf.mul(tf.div(tf.sub(x, low), tf.sub(tf.max(x), low)), 255).dataSync()];
  });
  return Array.from({ length: (rgb.length / 3) * 4 }, (_, i) =>
    i % 4 === 3 ? 255 : rgb[3 * Math.floor(i / 4) + (i % 4)]!,
  );
}

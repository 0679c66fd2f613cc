import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { ROOT } from '../../scripts/process.js';
import { provisionBrowser } from '../../scripts/provision/browser.js';
import { parseNpy } from '../../src/bin/shared/npy.js';
import '../harness/backends/backends.js';
import { publishedFolder } from '../harness/models/published.js';
import { normal } from '../harness/numbers/random.js';
import { runCommand } from '../harness/run/commandLine.js';
import { GuidePage, type TinyDecoder, tinyDecoder } from './guidePage.js';
import { CAPTIONS, captionsNpz, ENCODER_FILES, encoderFile } from './guideText.js';

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

/** Tokens of the tiny PixArt's captions. */
const TOKENS = 300;

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
    // as Python would write them
    write('captions.npz', captionsNpz([0, 1], TOKENS));
    write('empty.npz', captionsNpz([2], TOKENS));
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
    [/^npm install /, installed],
  ];

  async function copied(file: string, into: string): Promise<string> {
    const from = file.startsWith('node_modules/') ? join(ROOT, file) : file;
    cpSync(from, join(into, basename(file)));
    return '';
  }

  /** What is installed in all is what runs: imports of the page, the backend, and what serves. */
  async function installed(): Promise<string> {
    const imports = blocks('js').flatMap((code) => [...code.matchAll(/from '([^.][^']*)'/g)]);
    const names = imports.map(([, name]) => name!.replace(/^(@[^/]+\/[^/]+|[^@/]+).*/, '$1'));
    const all = new Set([...names, '@tensorflow/tfjs-backend-wasm', 'vite']);
    const lines = COMMANDS.filter((command) => command.startsWith('npm install '));
    const packages = lines.flatMap((line) => line.split(' ').slice(2));
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

  describe('its page', () => {
    let page: GuidePage;
    before(async function () {
      if (!browserResult.available) {
        console.log(`SKIPPED: ${browserResult.reason}`);
        this.skip();
      }
      write('index.html', blocks('html')[0]!);
      page = await GuidePage.served(folder, browserResult.path);
    });
    after(() => page?.close());

    const [first, decode, second, text, third] = blocks('js') as [
      ...[string, string, string],
      ...[string, string],
    ];

    it('draws what the command line has drawn', async () => {
      write('page.js', first);
      expectNear(await page.drawn(), channelsOf(at('latents.npy')));
    });

    it("draws what a VAE's decoder makes of it", async () => {
      const colours = /^const colours = [\s\S]*?^}\);$/m;
      expect(first).to.match(colours);
      write('page.js', first.replace(colours, second));
      write('decode.js', decode);
      const decoder = decoderOf(at('latents.npy'));
      write('public/decoder.onnx', tinyDecoder(decoder));
      expectNear(await page.drawn(), decodedOf(at('latents.npy'), decoder));
    });

    it('draws by captions what the command line has drawn by those of Python', async () => {
      const drawing = /^const config = [\s\S]*?^}\);$/m;
      expect(first).to.match(drawing);
      for (const caption of CAPTIONS) expect(third).to.include(`'${caption}'`);
      write('page.js', first.replace(drawing, third));
      write('text.js', text);
      for (const name of ENCODER_FILES) write(`public/text/${name}`, encoderFile(name));
      expectNear(await page.drawn(), channelsOf(at('drawn.npy')));
    });
  });
});

/** Bytes of pixels that another backend has computed from other roundings. */
function expectNear(drawn: readonly number[], wanted: readonly number[]): void {
  expect(drawn.length).to.equal(wanted.length);
  const off = drawn.map((value, i) => Math.abs(value - wanted[i]!));
  expect(Math.max(...off)).to.be.below(2);
}

function latentsOf(file: string): tf.Tensor4D {
  const { values, shape } = parseNpy(new Uint8Array(readFileSync(file)), file);
  return tf.tensor4d(values, shape as [number, number, number, number]);
}

/** A decoder whose colours are between 0 and 1, most of them. */
function decoderOf(file: string): TinyDecoder {
  const largest = tf.tidy(() => tf.max(tf.abs(latentsOf(file))).dataSync()[0]!);
  return { mix: normal(12, 5, 0, 0.18215 / largest), bias: [0.1, -0.2, 0.3] };
}

/** The latents of a file as the page colours them. */
function channelsOf(file: string): number[] {
  return rgba(() => {
    const x = tf.slice(latentsOf(file), [0, 0, 0, 0], [-1, -1, -1, 3]);
    const low = tf.min(x);
    return tf.div(tf.sub(x, low), tf.sub(tf.max(x), low));
  });
}

/** What the tiny decoder makes of them. */
function decodedOf(file: string, { mix, bias }: TinyDecoder): number[] {
  return rgba(() => {
    const x = tf.reshape(tf.div(latentsOf(file), 0.18215), [-1, 4]);
    const y = tf.add(tf.matMul(x, tf.tensor2d(mix, [3, 4]), false, true), [...bias]);
    return tf.clipByValue(tf.div(tf.add(y, 1), 2), 0, 1);
  });
}

/** Bytes of pixels of colours in [0, 1], without their rounding. */
function rgba(colours: () => tf.Tensor): number[] {
  const rgb = tf.tidy(() => [...tf.mul(colours(), 255).dataSync()]);
  return Array.from({ length: (rgb.length / 3) * 4 }, (_, i) =>
    i % 4 === 3 ? 255 : rgb[3 * Math.floor(i / 4) + (i % 4)]!,
  );
}

/**
 * The whole way: load a trained diffusion transformer, calibrate it on its own denoising trajectories, quantize it with
 * HadaNorm, sample from it and from the original with the same noise, and write what came out. Run: npm start
 *
 * Options: --model avatars (default avatars-nano), --weights 4, --activations 8, --method hadanorm, --steps 20,
 * --out out. Writes samples.png (original, round to nearest, HadaNorm), report.html, report.json and the packed model.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import cliProgress from 'cli-progress';
import { PNG } from 'pngjs';
import {
  calibrate,
  type Method,
  quantizedFiles,
  type RewriteOptions,
  reportHtml,
  reportJson,
  reportTable,
  rewriteGraphAsync,
} from 'tfjs-hadanorm';
import { loadTrained, type TrainedName } from '../models/load.js';
import { eulerTrajectory, sample } from '../models/sampler.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: 'avatars-nano' },
    weights: { type: 'string', default: '4' },
    activations: { type: 'string', default: '8' },
    method: { type: 'string', default: 'hadanorm' },
    steps: { type: 'string', default: '20' },
    out: { type: 'string', default: 'out' },
  },
});

/** One of each pair of the 16 classes. */
const LABELS = [0, 2, 4, 6, 8, 10, 12, 14];
const STEPS = Number(flags.steps);

await tf.setBackend('wasm');
const model = await loadTrained(flags.model as TrainedName);
const bits = {
  weights: { bits: Number(flags.weights) },
  activations: { bits: Number(flags.activations) },
};

// 16 classes at 5 of 20 steps: what the model sees while it draws
const batches = eulerTrajectory(model, {
  labels: Array.from({ length: 16 }, (_, label) => label),
  steps: 20,
  seed: 1,
  keep: [1, 5, 10, 15, 19],
});
const stats = await withBar('calibrate', 5, (advance) =>
  calibrate(model, batches, {
    timestep: 'timestep',
    disposeBatches: true,
    onProgress: ({ batches: done }) => advance(done),
  }),
);
const ours = await quantize({ ...bits, stats, method: flags.method as Method });
const nearest = await quantize({
  ...bits,
  stats,
  method: 'rtn',
  weights: { ...bits.weights, rounding: 'nearest' },
  compare: false,
});
console.log(reportTable(ours.report, { by: 'role' }));

const original = { model, ...(await draw('original', model)) };
const rows = [
  { name: 'rtn', model: nearest.model, ...(await draw('round to nearest', nearest.model)) },
  { name: flags.method, model: ours.model, ...(await draw(flags.method, ours.model)) },
];
for (const { name, pictures, stepMs } of rows) {
  const decibels = psnr(original.pictures, pictures).toFixed(1);
  const ratio = (stepMs / original.stepMs).toFixed(2);
  console.log(
    `${name}: PSNR to the original ${decibels} dB, a step takes ${ratio} × the original's`,
  );
}

const folder = join(flags.out, 'model');
await mkdir(folder, { recursive: true });
for (const [name, bytes] of await quantizedFiles(ours.model)) {
  await writeFile(join(folder, name), bytes);
}
await writeFile(join(flags.out, 'report.json'), reportJson(ours.report));
const title = `${flags.model}, W${flags.weights}A${flags.activations}`;
await writeFile(join(flags.out, 'report.html'), await reportHtml(ours.report, { title }));
await writePng(
  join(flags.out, 'samples.png'),
  [original, ...rows].map(({ pictures }) => pictures),
);
console.log(
  `Wrote ${['samples.png', 'report.html', 'report.json', 'model/'].join(', ')} to ${flags.out}`,
);
for (const used of [original, ...rows]) {
  used.pictures.dispose();
  used.model.dispose();
}

/** Quantizes with a progress bar. */
function quantize(options: RewriteOptions) {
  return withBar(`quantize (${options.method})`, 1, (advance) =>
    rewriteGraphAsync(model, {
      ...options,
      onProgress: ({ done, total }) => advance(done, total),
    }),
  );
}

/** Samples [8, S, S, 3] in [−1, 1], always from the same noise, and the median time of a step. */
async function draw(name: string, from: tf.GraphModel) {
  const times = [performance.now()];
  const pictures = await withBar(`sample (${name})`, STEPS, (advance) => {
    const onProgress = (done: number) => {
      times.push(performance.now());
      advance(done);
    };
    return sample(from, { labels: LABELS, steps: STEPS, seed: 7, onProgress });
  });
  const steps = times.slice(1).map((time, i) => time - times[i]!);
  // the first one warms up
  const timed = steps.length === 1 ? steps : steps.slice(1);
  return { pictures, stepMs: timed.sort((a, b) => a - b)[timed.length >> 1]! };
}

async function withBar<T>(
  name: string,
  total: number,
  run: (advance: (done: number, total?: number) => void) => Promise<T>,
): Promise<T> {
  const bar = new cliProgress.SingleBar(
    { format: '{name} [{bar}] {value}/{total}', noTTYOutput: false, clearOnComplete: false },
    cliProgress.Presets.shades_classic,
  );
  bar.start(total, 0, { name: name.padEnd(26) });
  try {
    return await run((done, all) => {
      if (all !== undefined) bar.setTotal(all);
      bar.update(done);
    });
  } finally {
    bar.stop();
  }
}

/** Peak signal-to-noise ratio over all pictures, dB; the peak is 2, from −1 to 1. */
function psnr(exact: tf.Tensor, approximate: tf.Tensor): number {
  const error = tf.tidy(() => tf.mean(tf.squaredDifference(exact, approximate)).dataSync()[0]!);
  return 10 * Math.log10(4 / error);
}

/** One row of pictures per model. */
async function writePng(path: string, sheets: readonly tf.Tensor4D[]): Promise<void> {
  const sheet = tf.tidy(() => {
    const strips = sheets.map((pictures) => tf.concat(tf.unstack(pictures), 1));
    const whole = tf.concat(strips as tf.Tensor3D[], 0);
    const bytes = tf.round(tf.mul(tf.clipByValue(tf.add(whole, 1), 0, 2), 127.5));
    const [height, width] = bytes.shape as [number, number, number];
    const opaque = tf.concat([bytes, tf.fill([height, width, 1], 255)], 2) as tf.Tensor3D;
    // three screen pixels each: the pictures are small
    return tf.image.resizeNearestNeighbor(opaque, [3 * height, 3 * width]);
  });
  const [height, width] = sheet.shape;
  const png = new PNG({ width, height });
  png.data = Buffer.from(Uint8Array.from(await sheet.data()));
  sheet.dispose();
  await pipeline(png.pack(), createWriteStream(path));
}

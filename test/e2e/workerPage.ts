/** What a page and a worker of it do with a model, as text: a bundler takes it as a user's. */

/** The worker's script. */
export const WORKER = `
import { serve } from 'tfjs-hadanorm/worker';

serve(async () => {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths('/node_modules/@tensorflow/tfjs-backend-wasm/dist/');
  await import('tfjs-hadanorm/wasm');
});
`;

/** The page's. */
export const PAGE = `
import { connect, HadaNormError } from 'tfjs-hadanorm/worker';

const blocked = [];
new PerformanceObserver((list) => blocked.push(...list.getEntries().map((e) => e.duration)))
  .observe({ type: 'longtask' });

const errorOf = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    const { name, message } = error;
    return { name, message, ours: error instanceof HadaNormError };
  }
};

globalThis.run = async () => {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  const model = connect(worker);
  const nowhere = connect(new Worker('/nowhere.js', { type: 'module' }));
  const broken = await errorOf(nowhere.setBackend('wasm'));
  const early = await errorOf(model.quantize());
  await model.setBackend('wasm');
  const noBackend = await errorOf(model.setBackend('abacus'));
  const url = location.origin + '/node_modules/tfjs-hadanorm-avatars-nano/model.json';
  const inputs = await model.load(url);
  const progress = [];
  const onProgress = ({ stage, done, total }) => progress.push([stage, done, total].join(' '));
  const recipe = { samples: 2, steps: 4, keep: [1, 3] };
  await model.calibrateOnTrajectories({ recipe, onProgress });
  const { report } = await model.quantize({ weights: { rounding: 'nearest' } });
  const labels = [0, 1];
  const draw = (which) => model.sample({ labels, steps: 2, onProgress }, which);
  const [original, small] = [await draw('original'), await draw('quantized')];
  const files = await model.files();
  const stats = await model.stats();
  // again on a batch of plain numbers, and cancelled on the way
  const abort = new AbortController();
  const cancelled = errorOf(model.calibrateOnTrajectories({
    signal: abort.signal,
    onProgress: () => abort.abort(),
  }));
  const aborted = await cancelled;
  const values = new Float32Array(3072).fill(0.1);
  const latent = { shape: [1, 32, 32, 3], dtype: 'float32', values };
  const timestep = { shape: [1], dtype: 'float32', values: Float32Array.of(0.5) };
  const label = { shape: [1], dtype: 'int32', values: Int32Array.of(3) };
  await model.calibrate([{ latent, timestep, label }], { timestep: 'timestep' });
  await model.load(files);
  const forgotten = await errorOf(model.quantize());
  const again = await model.sample({ labels, steps: 2 }, 'original');
  const checkpoint = await ofCheckpoint(model);
  model.close();
  return {
    checkpoint, broken, early, noBackend, aborted, forgotten, progress, blocked,
    inputs: inputs.map(({ name }) => name).sort(),
    linears: report.linears.length,
    shape: original.shape,
    psnr: psnr(original.values, small.values),
    same: again.values.every((value, i) => value === small.values[i]),
    files: [...files.keys()],
    stats: stats.length,
  };
};

// from Files to the browser's own files
async function ofCheckpoint(model) {
  const names = ['config.json', 'diffusion_pytorch_model.safetensors'];
  const files = await Promise.all(names.map(async (name) => {
    const answer = await fetch('/checkpoint/' + name);
    return new File([await answer.blob()], name);
  }));
  const latent = { shape: [1, 8, 8, 4], dtype: 'float32', values: new Float32Array(256).fill(0.1) };
  const timestep = { shape: [1], dtype: 'float32', values: Float32Array.of(500) };
  const label = { shape: [1], dtype: 'int32', values: Int32Array.of(3) };
  const batches = [{ latent, timestep, label }];
  const stages = [];
  const onProgress = ({ stage, done, total }) => stages.push([stage, done, total].join(' '));
  const wrong = await errorOf(model.quantizeCheckpoint(files.slice(1)));
  const { report } = await model.quantizeCheckpoint(files, { batches, onProgress });
  await model.save('models/dit', { onProgress });
  const abort = new AbortController();
  const cancelled = await errorOf(model.quantizeCheckpoint(files, {
    batches, signal: abort.signal, onProgress: () => abort.abort(),
  }));
  const root = await navigator.storage.getDirectory();
  const folder = await (await root.getDirectoryHandle('models')).getDirectoryHandle('dit');
  const saved = await Array.fromAsync(folder.keys());
  const { sqnr } = report.totals;
  return { wrong, cancelled, stages, saved: saved.sort(), sqnr: sqnr.output };
}

function psnr(a, b) {
  const error = a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length;
  return 10 * Math.log10(4 / error);
}
`;

import type { GraphModel } from '@tensorflow/tfjs-converter';
import {
  InvalidArgumentError,
  type Progress,
  type QuantizationReport,
  selfCheck,
} from 'tfjs-hadanorm';
import { methodTitle } from '../shared/choices.js';
import { calibrated, measure } from './along.js';
import { useBackend } from './backends.js';
import { type RunContext, tellFigures, tellStage } from './context.js';
import { draw } from './draw.js';
import { gpuMeter, likenessTo, weightBytes } from './figures.js';
import { checkPicked, type Opened, openPacked } from './modelStore.js';
import { layerPlots } from './plots.js';
import { fileBytesOf, quantize } from './quantize.js';
import { whySlower } from './slower.js';

/** A report to be had as a page, and its title. */
export interface TitledReport {
  readonly title: string;
  readonly report: QuantizationReport;
}

/** The original's pictures, and the time of its step. */
interface Exact {
  readonly values: Float32Array;
  readonly stepMs: number;
}

/**
 * One run: a packed model is checked before anything else; the original denoises first, so that
 * there is something to see; then come rounding to nearest and the method, or the packed model, all
 * from the same noise. Nothing of it stays in memory.
 *
 * @returns The method's report; null for a packed model, which was not quantized here.
 * @throws An AbortError, when it is aborted; errors of tfjs and of this package.
 */
export async function runOnce(context: RunContext): Promise<TitledReport | null> {
  const { run, settings, files, base, signal, tell } = context;
  const packed = settings.source === 'packed';
  if (packed) checkPicked({ files, address: settings.packed });
  tellStage(context, 'backend', 0);
  const text = await useBackend(settings.backend, base);
  signal.throwIfAborted();
  tell({ kind: 'engine', run, text });
  if (!packed) return withOriginal(context, quantizeHere);
  const onProgress = (share: number) => tellStage(context, 'open small', share);
  onProgress(0);
  const where = { files, address: settings.packed, base };
  const small = await openPacked(where, { signal, onProgress });
  try {
    return await withOriginal(context, async (_, original, draw) => {
      checkFits(original, small.model);
      await drawPacked(context, original, small, await draw());
      return null;
    });
  } finally {
    small.model.dispose();
  }
}

/** Loads the original, which `use` has draw when it wants. */
async function withOriginal<T>(
  context: RunContext,
  use: (context: RunContext, original: GraphModel, draw: () => Promise<Exact>) => Promise<T>,
): Promise<T> {
  const { settings, base, signal, store } = context;
  const onProgress = (share: number) => tellStage(context, 'download', share);
  onProgress(0);
  const taken = gpuMeter();
  const opened = await store.openOriginal(settings.model, base, { signal, onProgress });
  const original = opened.model;
  try {
    tellFigures(context, 'fp32', {
      fileBytes: opened.fileBytes,
      weightBytes: weightBytes(original),
    });
    return await use(context, original, async () => {
      const exact = await draw(context, 'fp32', original);
      tellFigures(context, 'fp32', { stepMs: exact.stepMs, gpuBytes: taken() });
      return exact;
    });
  } finally {
    original.dispose();
  }
}

/** Calibrates the original, and quantizes it twice. */
async function quantizeHere(
  context: RunContext,
  original: GraphModel,
  drawOriginal: () => Promise<Exact>,
): Promise<TitledReport> {
  const { run, settings, tell } = context;
  const exact = await drawOriginal();
  const stats = await calibrated(context, original);
  const rounded = await quantize(context, 'rtn', original, stats, async ({ model, report }) => {
    const { bytes } = await fileBytesOf(model);
    await drawColumn(context, 'rtn', { model, fileBytes: bytes }, exact, report);
    return report;
  });
  const report = await quantize(context, 'small', original, stats, async (made) => {
    tell({ kind: 'plots', run, plots: await layerPlots(made.report, rounded) });
    const { files, bytes } = await fileBytesOf(made.model);
    const opened = { model: made.model, fileBytes: bytes };
    await drawColumn(context, 'small', opened, exact, made.report);
    tell({ kind: 'packed', run, files });
    return made.report;
  });
  const title = `${settings.model}, ${methodTitle(settings.method)} at ${settings.bits}`;
  return { title, report };
}

/** Draws with a packed model beside the original rounded to nearest, and measures both. */
async function drawPacked(
  context: RunContext,
  original: GraphModel,
  small: Opened,
  exact: Exact,
): Promise<void> {
  await quantize(context, 'rtn', original, null, async ({ model, report }) => {
    const { bytes } = await fileBytesOf(model);
    await drawColumn(context, 'rtn', { model, fileBytes: bytes }, exact, report);
    await drawColumn(context, 'small', small, exact, null);
    await measure(context, original, { report, rounded: model, small: small.model });
  });
}

/** @param report Null for a model that was not quantized here. */
async function drawColumn(
  context: RunContext,
  column: 'rtn' | 'small',
  { model, fileBytes }: Opened,
  exact: Exact,
  report: QuantizationReport | null,
): Promise<void> {
  const { run, settings, tell } = context;
  tellFigures(context, column, { fileBytes, weightBytes: weightBytes(model) });
  const taken = gpuMeter();
  if (column === 'small' && settings.check === 'on') await check(context, model);
  const { values, stepMs } = await draw(context, column, model);
  const psnr = likenessTo(exact.values, values, settings.pictures);
  tellFigures(context, column, { stepMs, gpuBytes: taken(), psnr });
  if (stepMs > exact.stepMs) tell({ kind: 'slower', run, column, reason: whySlower(report) });
}

/** @throws SelfCheckError for kernels that compute wrongly on this device. */
async function check(context: RunContext, model: GraphModel): Promise<void> {
  const { signal } = context;
  const onProgress = ({ done, total }: Progress) =>
    tellStage(context, 'check small', total === null ? 0 : done / total);
  tellStage(context, 'check small', 0);
  await selfCheck(model, { signal, onProgress });
}

/** @throws InvalidArgumentError for a packed model that cannot take the original's place. */
function checkFits(original: GraphModel, small: GraphModel): void {
  const shapes = ({ inputs }: GraphModel) =>
    inputs
      .map(({ name, shape }) => `${name} [${shape}]`)
      .sort()
      .join(', ');
  const [wanted, got] = [shapes(original), shapes(small)];
  if (wanted === got) return;
  const wayOut = 'Choose the model that it was made from.';
  throw new InvalidArgumentError('Packed model', 'its inputs', wanted, got, wayOut);
}

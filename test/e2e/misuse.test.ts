import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { expect } from 'chai';
import { calibrateOnTrajectories, collectTrajectory } from '../../src/diffusion/calibration.js';
import { sample, trajectory } from '../../src/diffusion/sampler.js';
import * as plugin from '../../src/index.js';
import { parseSafetensors } from '../../src/load/safetensors.js';
import * as load from '../../src/load.js';
import { checkpointFiles } from '../../src/node.js';
import * as reports from '../../src/report.js';
import { publishedFolder } from '../harness/models/published.js';
import { tinyBatch, tinyDit } from '../harness/models/tinyDit.js';

type Call = (...args: never[]) => unknown;

/** A function, arguments that are right, and the options that the last of them may hold. */
interface Entry {
  readonly call: Call;
  readonly args: readonly unknown[];
  readonly options?: readonly string[];
}

const { CalibrationStats, HadaNormError, InvalidArgumentError } = plugin;

describe('What is wrongly called', () => {
  let table: Record<string, Entry>;
  let nonsense: readonly (readonly [string, () => unknown])[];
  let gone: tf.GraphModel;
  let disposables: tf.GraphModel[];

  before(async () => {
    await tf.setBackend('cpu');
    const model = await tinyDit({ hiddenSize: 16 });
    gone = await tinyDit({ hiddenSize: 16 });
    gone.dispose();
    const options = { disposeBatches: true };
    const stats = await plugin.calibrate(model, [tinyBatch(1)], options);
    const { report, model: small } = plugin.rewriteGraph(model, { stats, compare: false });
    disposables = [model, small];
    table = tableOf(model, small, stats, report);
    const dead = tf.ones([2, 4]);
    dead.dispose();
    const loop: unknown[] = [];
    loop.push(loop);
    nonsense = Object.entries({
      undefined: undefined,
      null: null,
      7: 7,
      NaN: Number.NaN,
      'a text': 'x',
      '{}': {},
      '[]': [],
      '[null]': [null],
      'a function': () => 0,
      'a symbol': Symbol('s'),
      'a Map': new Map([['x', 1]]),
      '7n': 7n,
      'a promise': Promise.resolve({}),
      'a dead tensor': dead,
      'what holds itself': loop,
      'a bare object': Object.create(null),
    }).map(([what, value]) => [what, () => value]);
  });
  after(() => {
    for (const one of disposables) one.dispose();
  });

  it('is everything that the package exports', () => {
    const isError = (value: object) =>
      value === HadaNormError || ('prototype' in value && value.prototype instanceof Error);
    const functions = Object.entries(plugin).filter(
      ([, value]) => typeof value === 'function' && !isError(value),
    );
    expect(Object.keys(table)).to.include.members(functions.map(([name]) => name));
  });

  it('has a typed error that names the function, what was wanted and what came', async () => {
    const wrong: string[] = [];
    for (const [name, { call, args, options = [] }] of Object.entries(table)) {
      const told = async (what: string, given: readonly unknown[]) => {
        const problem = problemOf(name, await outcomeOf(call, given));
        if (problem !== null) wrong.push(`${name} ${what}: ${problem}`);
      };
      await told('without arguments', []);
      for (const [what, make] of nonsense) {
        for (const i of args.keys()) {
          await told(`argument ${i} ${what}`, args.with(i, make()));
        }
        for (const key of options) {
          const last = { ...(args.at(-1) as object), [key]: make() };
          await told(`${key} ${what}`, args.with(-1, last));
        }
      }
    }
    expect(wrong).to.deep.equal([]);
  }).timeout(120_000);

  const REFUSED: readonly [name: string, i: number, value: unknown, message: RegExp][] = [
    ['reportTable', 0, {}, /^reportTable: report.version must be 1, got nothing. Take what/],
    ['reportHtml', 0, {}, /^reportHtml: report.version must be 1, got nothing/],
    ['reportJson', 0, {}, /^reportJson: report.version must be 1, got nothing/],
    ['parseReport', 0, '{}', /^parseReport: report.version must be 1, got nothing/],
    ['recommendRules', 0, {}, /^recommendRules: report.version must be 1, got nothing/],
    ['CalibrationStats.merge', 0, 7, /^CalibrationStats.merge: other must be what calibrate ret/],
    ['calibrate', 2, { onProgress: 7 }, /^calibrate: onProgress must be a function, got 7/],
    ['calibrate', 2, { signal: {} }, /^calibrate: signal must be an AbortSignal, got an empty obj/],
    ['evaluateLinears', 3, { onProgress: 7 }, /^evaluateLinears: onProgress must be a function/],
    ['evaluateLinears', 3, { signal: {} }, /^evaluateLinears: signal must be an AbortSignal/],
    ['rewriteGraphAsync', 1, { onProgress: 7 }, /^rewriteGraphAsync: onProgress must be a functi/],
    ['rewriteGraphAsync', 1, { signal: {} }, /^rewriteGraphAsync: signal must be an AbortSignal/],
    ['sample', 1, { labels: [0], signal: {} }, /^sample: signal must be an AbortSignal/],
    ['sample', 1, { labels: [0], onStep: 7 }, /^sample: onStep must be a function, got 7/],
    ['trajectory', 1, { labels: [0], signal: 7 }, /^trajectory: signal must be an AbortSignal/],
    ['sample', 1, { labels: [0], steps: 2 ** 40 }, /^sample: steps must be at most 1048576/],
    ['useThreadedWasm', 0, undefined, /^useThreadedWasm: wasm must be the package .* Pass \{ set/],
    ['useThreadedWasm', 0, { setThreadsCount: 1 }, /^useThreadedWasm: wasm must be the package/],
    ['supportMatrix', 0, ['cpu', 7], /^supportMatrix: backends must be an array of names/],
    ['loadQuantized', 1, { fetchFunc: 7 }, /^loadQuantized: options.fetchFunc must be a function/],
    ['rewriteGraph', 1, Promise.resolve({}), /^rewriteGraph: options must be an object/],
  ];
  for (const [name, i, value, message] of REFUSED) {
    it(`${name} refuses ${message.source.slice(1, 50)}…`, async () => {
      const { call, args } = table[name]!;
      const outcome = await outcomeOf(call, args.with(i, value));
      expect(outcome).to.be.instanceOf(InvalidArgumentError);
      expect((outcome as Error).message).to.match(message);
    });
  }

  const TAKE_MODELS: readonly [name: string, i: number][] = [
    ...['calibrate', 'calibrationMemory', 'describeGraph', 'evaluateLinears'].map(
      (name): [string, number] => [name, 0],
    ),
    ...['fuseGraph', 'fuseGraphAsync'].map((name): [string, number] => [name, 0]),
    ['evaluateLinears', 1],
    ...[
      'selfCheck',
      'quantizedFiles',
      'rewriteGraph',
      'rewriteGraphAsync',
      'saveQuantized',
      'sample',
    ].map((name): [string, number] => [name, 0]),
    ...['trajectory', 'collectTrajectory', 'calibrateOnTrajectories'].map(
      (name): [string, number] => [name, 0],
    ),
  ];
  for (const [name, i] of TAKE_MODELS) {
    it(`${name} says that a model was disposed (argument ${i})`, async () => {
      const { call, args } = table[name]!;
      const outcome = await outcomeOf(call, args.with(i, gone));
      expect(outcome).to.be.instanceOf(InvalidArgumentError);
      expect((outcome as Error).message).to.match(new RegExp(`^${name}: `));
      expect((outcome as Error).message).to.include('the model was disposed. Load it again.');
    });
  }
});

/** What a call throws, or null. */
async function outcomeOf(call: Call, args: readonly unknown[]): Promise<unknown> {
  try {
    const result = await Reflect.apply(call, undefined, args);
    release(result);
    return null;
  } catch (error) {
    return error ?? new Error('nothing');
  }
}

/** What a call that went well made. */
function release(result: unknown): void {
  const made = result !== null && typeof result === 'object' ? result : {};
  const model = 'model' in made ? made.model : made;
  if (model instanceof tf.GraphModel) model.dispose();
  else tf.dispose(result as tf.TensorContainer);
}

function problemOf(name: string, outcome: unknown): string | null {
  if (outcome === null) return null;
  if (!(outcome instanceof HadaNormError)) return `${outcome}`;
  const { message } = outcome;
  // an op is called as its kernel
  if (!message.toLowerCase().startsWith(`${name.toLowerCase()}: `)) return `blames: ${message}`;
  if (outcome instanceof InvalidArgumentError && !/ must be .*, got ./s.test(message))
    return message;
  return null;
}

function tableOf(
  model: tf.GraphModel,
  small: tf.GraphModel,
  stats: plugin.CalibrationStats,
  report: plugin.QuantizationReport,
): Record<string, Entry> {
  const x = tf.ones([2, 3, 4]);
  const heads = tf.ones([1, 2, 3, 4]);
  const batches = {
    *[Symbol.iterator]() {
      yield tinyBatch(1);
    },
  };
  const published = checkpointFiles(publishedFolder('dit'));
  const schedulerConfig = { _class_name: 'FlowMatchEulerDiscreteScheduler' };
  const schedule = load.noiseSchedule(schedulerConfig, { steps: 1 });
  const denoising = { schedule, inputs: { label: tf.tensor1d([1], 'int32') } };
  const firstBatch = async (...args: Parameters<typeof load.denoiseSteps>) => {
    const steps = load.denoiseSteps(...args);
    const { value } = await steps.next();
    await steps.return();
    return value;
  };
  const draw = { labels: [0], steps: 1 };
  const recipe = { samples: 1, steps: 1, keep: [0] };
  const first = async (...args: Parameters<typeof trajectory>) => {
    const steps = trajectory(...args);
    const { value } = await steps.next();
    await steps.return();
    return value;
  };
  return {
    channelCenter: { call: plugin.channelCenter, args: [x, {}], options: ['mean'] },
    fakeQuant: {
      ...{ call: plugin.fakeQuant, args: [x, {}] },
      options: ['bits', 'symmetric', 'granularity', 'range'],
    },
    hadamardRow: { call: plugin.hadamardRow, args: [4, 0] },
    hadamardTransform: {
      ...{ call: plugin.hadamardTransform, args: [x, {}], options: ['transpose', 'blockSize'] },
    },
    hadaNormQuantize: {
      ...{ call: plugin.hadaNormQuantize, args: [x, {}] },
      options: ['bits', 'blockSize', 'scale', 'mean', 'basis', 'groupSize', 'symmetric', 'range'],
    },
    modulatedLayerNorm: { call: plugin.modulatedLayerNorm, args: [x, {}], options: ['epsilon'] },
    quantizedMatMul: { call: plugin.quantizedMatMul, args: [x, {}, {}] },
    scaledDotProductAttention: {
      ...{ call: plugin.scaledDotProductAttention, args: [heads, heads, heads, {}] },
      options: ['scale', 'mask', 'layout'],
    },
    getThreads: { call: plugin.getThreads, args: [] },
    setThreads: { call: plugin.setThreads, args: [1] },
    useThreadedWasm: { call: plugin.useThreadedWasm, args: [{}] },
    webgpuReady: { call: plugin.webgpuReady, args: [] },
    plan: { call: plugin.plan, args: [model, {}] },
    toGraphModel: {
      ...{ call: plugin.toGraphModel as Call, args: [(given: tf.Tensor) => tf.abs(given), x, {}] },
      options: ['batch'],
    },
    calibrate: {
      ...{ call: plugin.calibrate, args: [model, batches, { disposeBatches: true }] },
      options: ['hessian', 'timestep', 'means', 'resume', 'signal', 'onProgress'],
    },
    calibrationMemory: { call: plugin.calibrationMemory, args: [model, {}], options: ['maxBytes'] },
    sequentialMemory: {
      ...{ call: plugin.sequentialMemory, args: [model, 1, {}], options: ['maxBytes'] },
    },
    CalibrationStats: {
      call: (...args: never[]) => Reflect.construct(CalibrationStats, args),
      args: [stats.batches, stats.sites, stats.keep],
    },
    'CalibrationStats.merge': { call: stats.merge.bind(stats) as Call, args: [stats] },
    'CalibrationStats.deserialize': {
      ...{ call: CalibrationStats.deserialize, args: [stats.serialize()] },
    },
    evaluateLinears: {
      ...{ call: plugin.evaluateLinears, args: [model, small, batches, {}] },
      options: ['signal', 'onProgress'],
    },
    selfCheck: {
      ...{ call: plugin.selfCheck, args: [small, { layers: 1 }] },
      options: ['backend', 'layers', 'tolerance', 'inputs', 'signal', 'onProgress'],
    },
    fuseGraph: { call: plugin.fuseGraph, args: [model] },
    fuseGraphAsync: { call: plugin.fuseGraphAsync, args: [model] },
    describeGraph: { call: plugin.describeGraph, args: [model] },
    quantize: {
      ...{ call: plugin.quantize, args: [model, stats, { calibrate: {} }] },
      options: ['preset', 'target', 'calibrate', 'rules', 'signal', 'onProgress'],
    },
    recommendRules: { call: plugin.recommendRules, args: [report, { minSqnr: 1 }] },
    reportHtml: { call: reports.reportHtml, args: [report, {}], options: ['title'] },
    reportJson: { call: plugin.reportJson, args: [report] },
    parseReport: { call: plugin.parseReport, args: ['{}'] },
    reportTable: { call: reports.reportTable, args: [report, {}], options: ['by', 'nameWidth'] },
    rewriteGraph: {
      ...{ call: plugin.rewriteGraph, args: [model, { method: 'rtn', compare: false }] },
      options: ['stats', 'rules', 'weightOnly', 'mode', 'seed', 'method', 'weights', 'activations'],
    },
    rewriteGraphAsync: {
      ...{ call: plugin.rewriteGraphAsync, args: [model, { method: 'rtn', compare: false }] },
      options: ['signal', 'onProgress'],
    },
    loadQuantized: { call: plugin.loadQuantized, args: [{ load: async () => ({}) }, {}] },
    quantizedFiles: { call: plugin.quantizedFiles, args: [small, {}], options: ['shardBytes'] },
    saveQuantized: { call: plugin.saveQuantized, args: [small, { save: async () => ({}) }] },
    supportMatrix: { call: plugin.supportMatrix, args: [['cpu']] },
    loadCheckpoint: {
      ...{ call: load.loadCheckpoint, args: [published, {}] },
      options: ['height', 'width', 'textTokens', 'config', 'signal', 'onProgress'],
    },
    quantizeCheckpoint: {
      ...{ call: load.quantizeCheckpoint, args: [published, { rules: [{ treatment: 'skip' }] }] },
      options: ['preset', 'stats', 'method', 'signal', 'onProgress'],
    },
    noiseSchedule: {
      ...{ call: load.noiseSchedule, args: [schedulerConfig, {}], options: ['steps', 'eta', 'mu'] },
    },
    denoise: {
      ...{ call: load.denoise, args: [model, denoising] },
      options: ['schedule', 'inputs', 'guidance', 'seed', 'timestepScale', 'signal', 'onProgress'],
    },
    denoiseSteps: {
      ...{ call: firstBatch, args: [model, denoising] },
      options: ['schedule', 'inputs', 'keep', 'signal', 'onProgress'],
    },
    checkpointFiles: { call: checkpointFiles, args: ['nowhere'] },
    parseSafetensors: { call: parseSafetensors, args: [new Uint8Array()] },
    sample: {
      ...{ call: sample, args: [model, draw] },
      options: ['labels', 'steps', 'solver', 'seed', 'cfg', 'noneLabel', 'signal', 'onStep'],
    },
    trajectory: { call: first, args: [model, draw], options: ['keep', 'signal', 'onProgress'] },
    collectTrajectory: { call: collectTrajectory, args: [model, draw], options: ['keep'] },
    calibrateOnTrajectories: {
      ...{ call: calibrateOnTrajectories, args: [model, { recipe }] },
      options: ['recipe', 'labels', 'signal'],
    },
  };
}

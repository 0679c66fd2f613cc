import {
  backend,
  type DataType,
  engine,
  type GradConfig,
  type GradFunc,
  getKernel,
  type KernelBackend,
  type KernelConfig,
  type KernelFunc,
  type NamedAttrMap,
  registerKernel,
  type Tensor,
  type TensorInfo,
  type TypedArray,
  tidy,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import { checkBackends, whileAlive } from './alive.js';
import type { NodeContract, OpContract } from './contract.js';
import { sayUnlessImported } from './imported.js';

/**
 * What a kernel is given. `backend` is typed by the kernel that knows it: no backend package is
 * imported.
 */
export interface KernelArgs<Inputs, Attrs, Backend> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly backend: Backend;
}

/** An op as a composition of tfjs ops: it runs on any backend, and need not tidy up. */
export type Composite<Inputs, Attrs> = (inputs: Inputs, attrs: Attrs) => Tensor | Tensor[];

/** An op that any backend runs: one without a kernel of its own by the composition. */
export interface ComposedOp<Inputs, Attrs> {
  readonly contract: NodeContract<string, Attrs>;
  readonly composite: Composite<Inputs, Attrs>;
}

/** The parts of tfjs-backend-cpu that kernels use. */
export interface CpuBackend {
  readSync(dataId: object): TypedArray;
  makeTensorInfo(shape: number[], dtype: DataType, values: TypedArray): TensorInfo;
}

// Symbol.for: a second copy of the plugin must recognise what the first one registered
const COMPOSED = Symbol.for('tfjs-hadanorm.composed');
const STAND_IN = Symbol.for('tfjs-hadanorm.standIn');
const SUPPORTS = Symbol.for('tfjs-hadanorm.supports');

/**
 * Why a kernel does not run a form itself: it hands it to the composition, or does in floats what
 * was asked for in integers. Null where it does.
 */
export type Supports<Form, Backend> = (form: Form, backend: Backend) => string | null;

/**
 * Types a kernel function for one backend. The casts from tfjs's untyped kernels live in this file.
 * @param supports Default: the kernel runs every form itself.
 */
export function defineKernel<Inputs, Attrs, Backend>(
  { kernelName }: OpContract<Attrs>,
  backendName: string,
  run: (args: KernelArgs<Inputs, Attrs, Backend>) => TensorInfo | TensorInfo[],
  supports: Supports<Attrs, Backend> = () => null,
): KernelConfig {
  const config = { kernelName, backendName, kernelFunc: run as unknown as KernelFunc };
  return Object.assign(config, { [SUPPORTS]: supports });
}

/** What a gradient is made from; `dy` is one tensor, or one per output. */
export interface GradientSpec<Attrs, Dy extends Tensor | Tensor[]> {
  readonly inputsToSave?: string[];
  readonly outputsToSave?: boolean[];
  /** The gradient of each input; `saved` holds the saved inputs, then the saved outputs. */
  readonly gradients: (dy: Dy, saved: Tensor[], attrs: Attrs) => Record<string, () => Tensor>;
}

/** Types a gradient function, as `defineKernel` does a kernel. */
export function defineGradient<Attrs, Dy extends Tensor | Tensor[]>(
  { kernelName }: OpContract<Attrs>,
  { gradients, ...saves }: GradientSpec<Attrs, Dy>,
): GradConfig {
  const checked: typeof gradients = (dy, saved, attrs) => {
    checkBackends(kernelName, [dy, saved].flat());
    return gradients(dy, saved, attrs);
  };
  return { kernelName, ...saves, gradFunc: checked as unknown as GradFunc };
}

/** The kernel that runs an op as tfjs ops, for a backend without one of its own. */
export function compositeKernel<Inputs, Attrs>(
  op: ComposedOp<Inputs, Attrs>,
  backendName: string,
): KernelConfig {
  const config = defineKernel<Inputs, Attrs, unknown>(op.contract, backendName, (args) =>
    tidy(() => op.composite(args.inputs, args.attrs)),
  );
  return Object.assign(config, { [COMPOSED]: true });
}

/** A composition that stands for a backend's own kernel, which comes when the backend is chosen. */
export function standInKernel(composed: KernelConfig): KernelConfig {
  const supports = () => `the kernels for ${composed.backendName} are still being loaded`;
  return Object.assign({ ...composed }, { [STAND_IN]: true, [SUPPORTS]: supports });
}

/**
 * Registers a kernel unless one is there: a second import, or a second copy of the plugin, is
 * silent. A composition gives way to what stands for a kernel of the backend's own, and both to
 * that kernel, in whatever order they come.
 */
export function registerKernelOnce(config: KernelConfig): void {
  const { kernelName, backendName } = config;
  const there = getKernel(kernelName, backendName);
  if (there != null && rank(there) >= rank(config)) return;
  if (there != null) unregisterKernel(kernelName, backendName);
  registerKernel(config);
}

function rank(config: KernelConfig): number {
  if (STAND_IN in config) return 1;
  return COMPOSED in config ? 0 : 2;
}

/**
 * How a backend runs an op: a kernel of its own, which may come when it is chosen, a composition of
 * tfjs ops, or nothing registered yet.
 */
export function kernelKind(kernelName: string, backendName: string): 'own' | 'composed' | 'none' {
  const config = getKernel(kernelName, backendName);
  if (config == null) return 'none';
  return rank(config) === 0 ? 'composed' : 'own';
}

/** What a registered kernel says of forms; null for one that does not say, as others' may. */
export function kernelSupports<Form>(
  kernelName: string,
  backendName: string,
): Supports<Form, KernelBackend> | null {
  const config = getKernel(kernelName, backendName);
  if (config == null || !(SUPPORTS in config)) return null;
  return config[SUPPORTS] as Supports<Form, KernelBackend>;
}

/**
 * Runs an op on the current backend, whatever backend that is, with its gradient on the tape.
 * @throws As `checkBackends`: tfjs would go on without the device, and give zeros.
 */
export function runOp<
  Inputs extends object,
  Attrs extends object,
  Output extends Tensor | Tensor[],
>(op: ComposedOp<Inputs, Attrs>, inputs: Inputs, attrs: Attrs): Output {
  const { backendName } = engineWithBackend();
  const { kernelName } = op.contract;
  if (getKernel(kernelName, backendName) == null) {
    sayUnlessImported(backendName);
    registerKernel(compositeKernel(op, backendName));
  }
  const given = present(inputs);
  // tfjs types attributes by an index, which interfaces do not have
  const named = { ...attrs } as object as NamedAttrMap;
  return whileAlive(kernelName, Object.values(given), () =>
    engine().runKernel(kernelName, given, named),
  ) as Output;
}

/** An absent optional input must not be a key: tfjs walks the keys when it builds the gradient. */
function present(inputs: object): Record<string, Tensor> {
  if (!Object.values(inputs).includes(undefined)) return { ...inputs };
  const given = Object.entries(inputs).filter(([, input]) => input !== undefined);
  return Object.fromEntries(given);
}

/** The current backend as the kernels written for it know it; whoever asks has seen its name. */
export function currentBackend<Backend>(): Backend {
  return backend() as unknown as Backend;
}

/** A backend as its kernels know it, current or not; undefined before it is initialized. */
export function initializedBackend<Backend>(name: string): Backend | undefined {
  return engine().registry[name] as unknown as Backend | undefined;
}

/** What a kernel asks another one with: of its inputs it looks at no more. */
export function asInputs<Inputs>(infos: Readonly<Record<string, TensorInfo>>): Inputs {
  return infos as unknown as Inputs;
}

/**
 * Strings as their bytes: `dataSync` would decode them as UTF-8, which not all of them are.
 * @throws As `checkBackends`.
 */
export function stringBytes(op: string, tensor: Tensor): Uint8Array[] {
  return whileAlive(op, [tensor], () =>
    engine().readSync(tensor.dataId),
  ) as unknown as Uint8Array[];
}

function engineWithBackend(): { backendName: string } {
  const current = engine();
  // reading `backend` makes tfjs initialize the best one where none was chosen yet
  if (current.backendName == null) void current.backend;
  return current;
}

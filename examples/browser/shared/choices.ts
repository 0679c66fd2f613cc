import { AVATAR_STYLES, FASHION_CLASSES } from '../../../models/classNames.js';
import { spreadLabels } from '../../../src/diffusion/labels.js';
import type { Solver } from '../../../src/diffusion/options.js';

/** A trained model that the page offers; its files lie in `models/<name>/` beside the page. */
export interface OfferedModel {
  readonly name: string;
  readonly title: string;
  /** Height and width of its pictures, in pixels. */
  readonly side: number;
  /** What it draws, by label. */
  readonly classes: readonly string[];
}

export const MODELS = [
  {
    name: 'avatars-nano',
    title: 'Avatars, 32 × 32 (4.2 M)',
    side: 32,
    classes: AVATAR_STYLES,
  },
  {
    name: 'avatars',
    title: 'Avatars, 64 × 64 (9.8 M)',
    side: 64,
    classes: AVATAR_STYLES,
  },
  {
    name: 'fashion',
    title: 'Fashion, 32 × 32 (1.9 M)',
    side: 32,
    classes: FASHION_CLASSES,
  },
] as const satisfies readonly OfferedModel[];

export const BACKENDS = [
  { name: 'wasm', title: 'WebAssembly' },
  { name: 'webgl', title: 'WebGL' },
  { name: 'webgpu', title: 'WebGPU' },
  { name: 'cpu', title: 'Plain JavaScript' },
] as const;

export const BITS = ['W8A8', 'W4A8', 'W4A4'] as const;

/** What rounding to nearest, which is always there, is compared with. */
export const OFFERED_METHODS = [
  { name: 'hadanorm', title: 'HadaNorm' },
  { name: 'hadamard', title: 'Hadamard (QuaRot)' },
  { name: 'smoothquant', title: 'SmoothQuant' },
  { name: 'centered', title: 'Centered only' },
  { name: 'auto', title: 'Best per layer' },
] as const;

export const SOLVERS = [
  { name: 'euler', title: 'Euler' },
  { name: 'heun', title: 'Heun (two runs a step)' },
] as const satisfies readonly { readonly name: Solver; readonly title: string }[];

/** Where the third model comes from. */
export const SOURCES = ['quantize', 'packed'] as const;

/** How much the model is calibrated on: see `RECIPES`. */
export const CALIBRATIONS = ['quick', 'full'] as const;

/** Whether a few layers are compared with their definition before a model draws. */
export const CHECKS = ['on', 'off'] as const;

export const MAX_PICTURES = 4;
export const MAX_STEPS = 50;
export const MAX_GUIDANCE = 10;

export type ModelName = (typeof MODELS)[number]['name'];
export type BackendName = (typeof BACKENDS)[number]['name'];
export type BitsName = (typeof BITS)[number];
export type MethodName = (typeof OFFERED_METHODS)[number]['name'];
export type Source = (typeof SOURCES)[number];
export type Calibration = (typeof CALIBRATIONS)[number];
export type Check = (typeof CHECKS)[number];

/** The model of a name. */
export function offered(name: ModelName): OfferedModel {
  return MODELS.find((model) => model.name === name)!;
}

/** What a backend is called. */
export function backendTitle(name: BackendName): string {
  return BACKENDS.find((backend) => backend.name === name)!.title;
}

/** What a method is called. */
export function methodTitle(name: MethodName): string {
  return OFFERED_METHODS.find((method) => method.name === name)!.title;
}

/** The label of each picture: one class for all, or as different ones as can be. */
export function labelsOf(label: number | 'all', pictures: number, classes: number): number[] {
  return label === 'all' ? spreadLabels(pictures, classes) : new Array(pictures).fill(label);
}

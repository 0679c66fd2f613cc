import * as tf from '@tensorflow/tfjs';
import { normalNumbers, uniformNumbers } from '../../ops/numerics/random.js';

/** Pixels along a side of a picture, and of a patch of it. */
const SIDE = 16;
const PATCH = 4;

/** Patches of a picture. */
export const TOKENS = (SIDE / PATCH) ** 2;
/** Pixels of a patch. */
export const CHANNELS = PATCH ** 2;
export const CLASSES = 10;

/** Labelled pictures of digits. */
export interface Digits {
  readonly pictures: tf.Tensor3D; // [samples, TOKENS, CHANNELS], brightness
  readonly labels: tf.Tensor1D; // [samples] int32
}

/** Ends of the strokes, x to the right and y down, in [−1, 1]. */
const CORNERS: Readonly<Record<string, readonly [number, number]>> = {
  a: [-0.55, -0.9],
  b: [0.55, -0.9],
  c: [-0.55, 0],
  d: [0.55, 0],
  e: [-0.55, 0.9],
  f: [0.55, 0.9],
};

/** Strokes of the digits, from corner to corner. */
const STROKES: readonly string[] = [
  'ab bf fe ea',
  'bf',
  'ab bd dc ce ef',
  'ab bf fe cd',
  'ac cd bf',
  'ba ac cd df fe',
  'ba ae ef fd dc',
  'ab be',
  'ab bf fe ea cd',
  'dc ca ab bf',
];

/** Digits with strokes of any slant, size and width in noise: the same for a seed, no two alike. */
export function drawDigits(samples: number, seed: number): Digits {
  const pen = { uniform: uniformNumbers(seed), normal: normalNumbers(seed + 1) };
  const labels = Int32Array.from({ length: samples }, () => Math.floor(pen.uniform() * CLASSES));
  const pictures = new Float32Array(samples * SIDE * SIDE);
  labels.forEach((label, i) => {
    draw(STROKES[label]!, pen, pictures.subarray(i * SIDE ** 2, (i + 1) * SIDE ** 2));
  });
  return {
    pictures: tf.tensor3d(pictures, [samples, TOKENS, CHANNELS]),
    labels: tf.tensor1d(labels, 'int32'),
  };
}

interface Pen {
  readonly uniform: () => number; // in [0, 1)
  readonly normal: () => number;
}

/** One digit into `picture`, patch by patch. */
function draw(strokes: string, { uniform, normal }: Pen, picture: Float32Array): void {
  const between = (low: number, high: number) => low + (high - low) * uniform();
  const [size, slant] = [between(0.6, 0.85), between(-0.25, 0.25)];
  const [right, down, width] = [between(-0.2, 0.2), between(-0.12, 0.12), between(0.04, 0.1)];
  const ends = new Map(
    Object.entries(CORNERS).map(([name, [x, y]]) => [
      name,
      [
        size * (x - slant * y) + right + 0.05 * normal(),
        size * y + down + 0.05 * normal(),
      ] as const,
    ]),
  );
  const segments = strokes.split(' ').map(([from, to]) => [ends.get(from!)!, ends.get(to!)!]);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const point = [(2 * column + 1) / SIDE - 1, (2 * row + 1) / SIDE - 1] as const;
      const distance = Math.min(...segments.map(([from, to]) => distanceTo(point, from!, to!)));
      const ink = Math.max(0, Math.min(1, 1 - (distance - width) * (SIDE / 2)));
      const patch = Math.floor(row / PATCH) * (SIDE / PATCH) + Math.floor(column / PATCH);
      const pixel = (row % PATCH) * PATCH + (column % PATCH);
      picture[patch * CHANNELS + pixel] = ink + 0.1 * normal();
    }
  }
}

type Point = readonly [number, number];

/** From a point to a segment. */
function distanceTo([x, y]: Point, [x0, y0]: Point, [x1, y1]: Point): number {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const along = ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy);
  const at = Math.max(0, Math.min(1, along));
  return Math.hypot(x - x0 - at * dx, y - y0 - at * dy);
}

import type { Element } from '../webgpu/shader.js';

/** What goes along directions: nothing, or numbers that are read one by one or in vectors. */
export type AlongForm = 'none' | 'numbers' | 'vectors';

/** How a product reads what goes along so many directions. */
export function alongForm(rank: number | undefined): AlongForm {
  if (rank === undefined) return 'none';
  return rank % 4 === 0 ? 'vectors' : 'numbers';
}

/** The buffer `along`, [rows, rank]. */
export function alongReads(form: AlongForm): Readonly<Record<string, Element>> {
  if (form === 'none') return {};
  return { along: form === 'vectors' ? 'vec4<f32>' : 'f32' };
}

/**
 * WGSL: adds along R to f0, f1 … of the rows from `row` on, in the four columns of the vector
 * `column`. R are rows of W from `sizes.directionAt` on.
 */
export function alongWgsl(form: AlongForm, count: number): string {
  if (form === 'none') return '';
  const lanes = form === 'vectors' ? [0, 1, 2, 3] : [0];
  const each = (text: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => text(i)).join('\n    ');
  const start = (i: number) =>
    `let start${i} = min(row + ${i}u, sizes.m - 1u) * (sizes.rank / ${lanes.length}u);`;
  const term = (i: number, lane: number) =>
    `f${i} += along${i}${form === 'vectors' ? `[${lane}]` : ''} * weight${lane};`;
  return `
  ${each(start)}
  for (var r = 0u; r < sizes.rank / ${lanes.length}u; r++) {
    ${each((i) => `let along${i} = along[start${i} + r];`)}
    ${lanes
      .map(
        (lane) => `
    let at${lane} = (sizes.directionAt + ${lanes.length}u * r + ${lane}u) * sizes.wVectors + column;
    let weight${lane} = bitcast<vec4<f32>>(W[at${lane}]);
    ${each((i) => term(i, lane))}`,
      )
      .join('')}
  }`;
}

/** What weights of directions are called in a program. */
export interface DirectionNames {
  readonly name: string;
  readonly from: string; // buffers
  readonly scales: string;
  readonly rows: string; // among the sizes
  readonly rank: string;
}

/**
 * WGSL: `fn NAME(row: u32, column: u32) -> f32` from weights [k, n] as they are stored: row i of
 * scaled ones belongs to direction i mod rank.
 */
export function directionWeightWgsl(
  { name, from, scales, rows, rank }: DirectionNames,
  scaled: boolean,
): string {
  return `
fn ${name}(row: u32, column: u32) -> f32 {
  var weight = 0f;
  if (column >= sizes.n) { return weight; }
  for (var i = row; i < sizes.${rows}; i += sizes.${rank}) {
    weight += ${from}[i * sizes.n + column]${scaled ? ` * ${scales}[i]` : ''};
  }
  return weight;
}`;
}

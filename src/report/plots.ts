import type { Method } from '../quantize/methods.js';
import type { Role } from '../recognize/role.js';
import { formatDb, METHOD_NAMES, METHODS, meanOf } from './format.js';
import type { Plot } from './htmlSvg.js';
import { rowLabels } from './plotLabels.js';
import type { LinearReport } from './report.js';

/**
 * The shape of each method's marks, besides its colour: SVG paths of about equal area in a square
 * from −1 to 1.
 */
export const METHOD_SHAPES: Readonly<Record<Method, string>> = {
  hadanorm: 'M-1,0A1,1,0,1,1,1,0A1,1,0,1,1,-1,0Z',
  centered: 'M-0.85,-0.85H0.85V0.85H-0.85Z',
  hadamard: 'M0,-1.05L1.1,0.85H-1.1Z',
  smoothquant: 'M0,-1.2L1.2,0L0,1.2L-1.2,0Z',
  rtn: 'M-1,-0.6L-0.6,-1L0,-0.4L0.6,-1L1,-0.6L0.4,0L1,0.6L0.6,1L0,0.4L-0.6,1L-1,0.6L-0.4,0Z',
};

/**
 * Colours of the heat map, from low to high: viridis, which colour-blind readers can tell apart
 * too.
 */
export const HEAT_COLOURS = ['#440154', '#414487', '#2a788e', '#22a884', '#7ad151', '#fde725'];

/** The style sheet's colour of a method. */
export function methodColour(method: Method): string {
  return `var(--${method})`;
}

const ROW_HEIGHT = 15;
const HEAT_ROW_HEIGHT = 13;
/** Pixels of a label's character, on average. */
const LABEL_CHARACTER = 6.2;
const DB_STEP = 5;
const MOST_DB = 1000;

/** A pair of decibels that an axis or a colour scale spans. */
export type Span = readonly [low: number, high: number];

/** What the values span, in steps of 5 dB, but for those off any scale; null without any. */
export function spanOf(values: readonly number[]): Span | null {
  const finite = values.filter((value) => Math.abs(value) <= MOST_DB);
  if (finite.length === 0) return null;
  const low = Math.floor(finite.reduce((a, b) => Math.min(a, b)) / DB_STEP) * DB_STEP;
  const high = Math.ceil(finite.reduce((a, b) => Math.max(a, b)) / DB_STEP) * DB_STEP;
  return low < high ? [low, high] : [low, low + DB_STEP];
}

/** Output SQNR by method: the one a linear was quantized with, and those it was compared with. */
export function outputsOf({ method, sqnr, compared }: LinearReport): Map<Method, number> {
  const outputs = new Map<Method, number>();
  for (const one of METHODS) {
    const output = one === method && sqnr !== null ? sqnr.output : compared[one]?.output;
    if (output !== undefined && !Number.isNaN(output)) outputs.set(one, output);
  }
  return outputs;
}

/**
 * The linears of one role: a row each, and in it a mark for each method. Infinity is `∞` at the
 * edge.
 */
export function methodPlot(role: Role, linears: readonly LinearReport[], span: Span): Plot {
  const { labels } = rowLabels(linears.map(({ name }) => name));
  const values = linears.flatMap((linear, i) =>
    // the best method last, on top of the others
    [...outputsOf(linear)].reverse().map(([method, output]) => ({
      linear: labels[i],
      method,
      db: Math.min(Math.max(output, span[0]), span[1]),
      infinite: !Number.isFinite(output),
      label: formatDb(output),
    })),
  );
  const colour = scaleOf(methodColour);
  return {
    title: `${role}: output SQNR by method`,
    description: describeMethods(role, linears),
    spec: {
      data: { values },
      height: ROW_HEIGHT * linears.length,
      encoding: {
        y: rowsOf(labels),
        x: { field: 'db', type: 'quantitative', scale: { domain: [...span] }, axis: DECIBELS },
        color: { field: 'method', type: 'nominal', scale: colour, legend: null },
      },
      layer: [
        {
          transform: [{ filter: '!datum.infinite' }],
          mark: { type: 'point', filled: true, size: 46, opacity: 0.95 },
          encoding: {
            shape: {
              field: 'method',
              type: 'nominal',
              scale: scaleOf((method) => METHOD_SHAPES[method]),
              legend: null,
            },
          },
        },
        {
          transform: [{ filter: 'datum.infinite' }],
          mark: { type: 'text', baseline: 'middle', fontSize: 13 },
          encoding: { text: { field: 'label', type: 'nominal' } },
        },
      ],
    },
  };
}

/** The linears of one role by timestep, coloured by output SQNR. */
export function timestepPlot(role: Role, linears: readonly LinearReport[], span: Span): Plot {
  const { labels } = rowLabels(linears.map(({ name }) => name));
  const values = linears.flatMap(({ byTimestep }, i) =>
    byTimestep
      .filter(({ output }) => !Number.isNaN(output))
      .map(({ timestep, output }) => ({
        linear: labels[i],
        timestep,
        db: Math.min(Math.max(output, span[0]), span[1]),
      })),
  );
  return {
    title: `${role}: output SQNR by timestep`,
    description: describeTimesteps(role, linears),
    spec: {
      data: { values },
      height: HEAT_ROW_HEIGHT * linears.length,
      mark: { type: 'rect' },
      encoding: {
        y: rowsOf(labels),
        x: {
          field: 'timestep',
          type: 'ordinal',
          axis: { title: 'timestep', labelAngle: 0, labelOverlap: 'parity', ticks: false },
        },
        color: {
          field: 'db',
          type: 'quantitative',
          scale: { domain: [...span], range: HEAT_COLOURS },
          legend: null,
        },
      },
    },
  };
}

/** A row for each linear, in their order. */
function rowsOf(labels: readonly string[]) {
  return {
    ...({ field: 'linear', type: 'nominal', sort: null } as const),
    scale: { domain: [...labels] },
    axis: rowAxis(labels),
  };
}

/**
 * Room for the labels by their length: without a page, vega cannot measure text and leaves too
 * much.
 */
function rowAxis(labels: readonly string[]) {
  const extent = 8 + LABEL_CHARACTER * Math.max(...labels.map((label) => [...label].length));
  const room = { minExtent: extent, maxExtent: extent, labelLimit: 0 };
  return {
    title: null,
    domain: false,
    ticks: false,
    labelPadding: 5,
    grid: false,
    ...room,
  } as const;
}

const DECIBELS = { title: 'output SQNR (dB)', tickCount: 6 } as const;

function scaleOf(look: (method: Method) => string): { domain: Method[]; range: string[] } {
  return { domain: [...METHODS], range: METHODS.map(look) };
}

function describeMethods(role: Role, linears: readonly LinearReport[]): string {
  const outputs = linears.map(outputsOf);
  const means = METHODS.flatMap((method) => {
    const mean = meanOf(outputs.map((one) => one.get(method)));
    return mean === null ? [] : [`${METHOD_NAMES[method]} ${formatDb(mean)} dB`];
  });
  const count = `${linears.length} linear${linears.length === 1 ? '' : 's'}`;
  const what = `Output SQNR of ${count} with role ${role}, a mark for each method`;
  return `${what}. Means: ${means.join(', ')}.`;
}

function describeTimesteps(role: Role, linears: readonly LinearReport[]): string {
  const timesteps = [
    ...new Set(linears.flatMap(({ byTimestep }) => byTimestep.map(({ timestep }) => timestep))),
  ].sort((a, b) => a - b);
  const means = [timesteps[0]!, timesteps.at(-1)!].map((wanted) => {
    const outputs = linears.map(
      ({ byTimestep }) => byTimestep.find(({ timestep }) => timestep === wanted)?.output,
    );
    return `${formatDb(meanOf(outputs))} dB at timestep ${wanted}`;
  });
  const what = `Output SQNR of the linears with role ${role} at ${timesteps.length} timesteps`;
  return `${what}. Means: ${[...new Set(means)].join(', ')}.`;
}

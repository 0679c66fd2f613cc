import type { Histogram } from '../quantize/measured.js';
import { formatTimes, printable } from './format.js';
import type { Plot } from './htmlSvg.js';
import type { LinearReport } from './report.js';

/**
 * A linear with histograms, and how far its outliers stand out: the largest channel over the median
 * one.
 */
export interface ChannelPanel {
  readonly name: string;
  /** Linears with the same histograms besides: they read one tensor. */
  readonly others: number;
  readonly channels: NonNullable<LinearReport['channels']>;
  readonly before: number;
  readonly after: number;
}

const HEIGHT = 120;
/** What float32 cannot hold is no activation. */
const LEAST = 1e-38;
/** What is after lies on top. */
const OPACITY = { before: 0.45, after: 0.85 };
const COUNT_TICKS = [0, 1, 10, 100, 1000, 10_000];

/**
 * The linears whose outliers stand out most before the transform, the worst first; of those that
 * read one tensor the first.
 */
export function worstChannels(linears: readonly LinearReport[], max: number): ChannelPanel[] {
  const panels = new Map<string, ChannelPanel>();
  for (const { name, channels } of linears) {
    if (channels === null || barsOf(channels.before, 'before').length === 0) continue;
    const key = JSON.stringify(channels);
    const known = panels.get(key);
    const panel = known ?? {
      name,
      others: -1,
      channels,
      before: outlierRatio(channels.before),
      after: outlierRatio(channels.after),
    };
    panels.set(key, { ...panel, others: panel.others + 1 });
  }
  return [...panels.values()].sort((a, b) => b.before - a.before).slice(0, max);
}

/**
 * Largest channel over median channel, as near as the bins tell; 1 for a histogram without
 * channels.
 */
export function outlierRatio({ edges, counts }: Histogram): number {
  const last = counts.reduce((found, count, i) => (count > 0 ? i : found), -1);
  if (last < 0) return 1;
  const total = counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (below + count >= total / 2) {
      const [from, to] = [edges[i]!, edges[i + 1]!];
      // as if the channels of a bin were spread evenly over it
      const median = from + ((to - from) * (total / 2 - below)) / count;
      const ratio = edges[last + 1]! / median;
      return Number.isNaN(ratio) ? 1 : Math.max(ratio, 1);
    }
    below += count;
  }
  return 1;
}

/**
 * How many channels have which largest magnitude, before the transform and after it, both on
 * logarithmic axes.
 */
export function channelPlot({ name, channels, before, after }: ChannelPanel): Plot {
  const bars = [...barsOf(channels.before, 'before'), ...barsOf(channels.after, 'after')];
  const maximum = bars.reduce((max, { count }) => Math.max(max, count), 1);
  const title = `${printable(name)}: channels before and after`;
  const what = `the largest magnitudes of the input channels of ${printable(name)}`;
  const [was, is] = [before, after].map(formatTimes);
  const change = `${was} the median before the transform, ${is} after it`;
  return {
    title,
    description: `Histogram of ${what}. The largest is ${change}.`,
    spec: {
      data: { values: bars },
      height: HEIGHT,
      mark: { type: 'rect' },
      encoding: {
        x: {
          field: 'from',
          type: 'quantitative',
          scale: { type: 'log', nice: false },
          axis: {
            title: 'largest magnitude of a channel',
            tickCount: 5,
            format: '~g',
            grid: false,
          },
        },
        x2: { field: 'to' },
        y: {
          field: 'count',
          type: 'quantitative',
          scale: { type: 'symlog', domain: [0, maximum] },
          axis: { title: 'channels', values: COUNT_TICKS.filter((tick) => tick <= maximum) },
        },
        y2: { datum: 0 },
        color: {
          field: 'when',
          type: 'nominal',
          scale: { domain: ['before', 'after'], range: ['var(--before)', 'var(--after)'] },
          legend: null,
        },
        fillOpacity: { field: 'opacity', type: 'quantitative', scale: null },
      },
    },
  };
}

/**
 * Bins with channels in them; one that begins at 0 begins at half its end, as 0 is not on a
 * logarithmic axis.
 */
function barsOf({ edges, counts }: Histogram, when: 'before' | 'after') {
  return counts.flatMap((count, i) => {
    const to = edges[i + 1]!;
    const from = edges[i]! > 0 ? edges[i]! : to / 2;
    if (!(count > 0 && from >= LEAST && from < to && Number.isFinite(to))) return [];
    const opacity = OPACITY[when];
    return [{ when, opacity, from, to, count }];
  });
}

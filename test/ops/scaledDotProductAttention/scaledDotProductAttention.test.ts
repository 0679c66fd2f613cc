import { expect } from 'chai';
import type { AttentionSizes } from '../../../ops/scaledDotProductAttention/dims.js';
import { scaledDotProductAttention } from '../../../src/index.js';
import type { Values } from '../../harness/numbers/gradient.js';
import { normal, sizeOf } from '../../harness/numbers/random.js';
import { exactAttention, randomIn } from '../../harness/ops/attention.js';
import { type OpCase, runOpCases } from '../../harness/ops/opCases.js';

interface Row extends Partial<AttentionSizes> {
  readonly layouts?: Partial<Record<'q' | 'k' | 'v' | 'output', string>>;
  /** Samples and heads of k and v where they are fewer than those of q. */
  readonly shared?: { readonly b?: 1; readonly h?: 1 };
  readonly mask?: readonly number[];
  readonly scale?: number;
  /** Of q: large ones make one key win. */
  readonly std?: number;
}

const FUSED = { q: 'bt0hc', k: 'bt1hc', v: 'bt2hc', output: 'bthc' };

const ROWS: readonly Row[] = [
  // every channel count around the widths of vectors, then those of models
  ...[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17].map((c): Row => ({ c, valueChannels: c })),
  ...[24, 40, 64, 72, 96, 128, 131].map(
    (c): Row => ({ c, valueChannels: c, queries: 9, keys: 11 }),
  ),
  // every number of queries and keys around the sizes of tiles
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 13].map((queries): Row => ({ queries })),
  ...[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17].map((keys): Row => ({ keys })),
  // more than a block of queries or keys
  { queries: 65, keys: 70 },
  { queries: 33, keys: 255, h: 1 },
  { queries: 31, keys: 257, h: 1 },
  { queries: 5, keys: 1030, h: 1, b: 1, mask: [5, 1030] },
  { queries: 130, keys: 6, c: 5, valueChannels: 9 },
  { queries: 7, keys: 9, c: 12, valueChannels: 20 },
  // heads enough for a GPU's largest tiles; channels too many for registers
  { b: 6, h: 44, queries: 66, keys: 35, c: 8, valueChannels: 8 },
  { b: 12, h: 16, queries: 5, keys: 35, c: 64, valueChannels: 64 },
  { b: 1, h: 1, queries: 3, c: 260, valueChannels: 260 },
  // layouts: fused projections, the order of heads and channels, axes left out
  { layouts: FUSED },
  { layouts: { ...FUSED, output: 'bhtc' }, queries: 9, keys: 9 },
  { layouts: { q: 'bthc', k: 'bt0hc', v: 'bt1hc', output: 'bthc' } },
  { layouts: { q: 'bth0c', k: 'bth1c', v: 'bth3c', output: 'bthc' }, c: 6, valueChannels: 6 },
  { layouts: { q: '0bhtc', k: '1bhtc', v: '3bhtc' } },
  { layouts: { q: 'tbhc', k: 'thbc', v: 'htbc', output: 'tbhc' } },
  { layouts: { q: 'hbtc', k: 'bhtc', v: 'bthc', output: 'thbc' } },
  { layouts: { q: 'btc', k: 'btc', v: 'btc' }, h: 1 },
  { layouts: { q: 'thc', k: 'htc', v: 't1hc' }, b: 1 },
  { layouts: { q: 'tc', k: 'tc', v: 'tc' }, b: 1, h: 1 },
  // one sample, one head for all; a layout without them
  { shared: { b: 1 } },
  { shared: { h: 1 } },
  { shared: { b: 1, h: 1 }, layouts: FUSED },
  { shared: { b: 1, h: 1 }, layouts: { q: 'bthc', k: 'tc', v: 't2c', output: 'bthc' } },
  // masks: all that broadcast
  ...[[2, 3, 5, 6], [2, 1, 1, 6], [1, 3, 5, 1], [1, 1, 5, 6], [3, 5, 6], [5, 6], [6], [1], []].map(
    (mask): Row => ({ mask, queries: 5, keys: 6, h: 3 }),
  ),
  { mask: [2, 1, 1, 9], layouts: FUSED, keys: 9, queries: 17 },
  // other scales; scores of hundreds, where all but one key underflow
  { scale: 1 },
  { scale: -0.3 },
  { scale: 0 },
  { std: 60, c: 16, valueChannels: 16, keys: 33 },
  // as DiT-S and DiT-XL have it
  { layouts: FUSED, b: 1, h: 6, queries: 64, keys: 64, c: 64, valueChannels: 64 },
  { layouts: FUSED, b: 2, h: 2, queries: 100, keys: 100, c: 72, valueChannels: 72 },
];

runOpCases('ScaledDotProductAttention', ROWS.map(toCase));

function toCase(row: Row): OpCase {
  const { shared, mask, scale: given, std = 1 } = row;
  const sizes: AttentionSizes = { b: 2, h: 2, queries: 4, keys: 7, c: 5, valueChannels: 5, ...row };
  const { b, h, queries, keys, c, valueChannels } = sizes;
  const layouts = { q: 'bhtc', k: 'bhtc', v: 'bhtc', ...row.layouts };
  const output = layouts.output ?? layouts.q.replace(/\d/, '');
  const scale = given ?? 1 / Math.sqrt(c);
  const few = { b: shared?.b ?? b, h: shared?.h ?? h };
  const seed = sizeOf(Object.values(sizes)) + layouts.q.length;
  const tensors = {
    q: randomIn(layouts.q, { b, h, t: queries, c }, seed, std),
    k: randomIn(layouts.k, { ...few, t: keys, c }, seed + 1),
    v: randomIn(layouts.v, { ...few, t: keys, c: valueChannels }, seed + 2),
    ...(mask === undefined
      ? {}
      : { mask: { shape: [...mask], values: normal(sizeOf(mask), seed + 3, 0, 2) } }),
  };
  const axes = { b, h, t: queries, c: valueChannels };
  const poisoned = Math.floor((b * h * queries) / 2); // a query
  return {
    name: nameOf(row, sizes, layouts),
    inputs: Object.values<Values>(tensors),
    run: ([q, k, v, m]) => {
      const options = { layouts: row.layouts ?? {}, ...(given === undefined ? {} : { scale }) };
      return [scaledDotProductAttention(q!, k!, v!, m ? { ...options, mask: m } : options)];
    },
    shapes: [[...output].map((name) => axes[name as keyof typeof axes])],
    check: ([y]) => {
      const { values, bounds } = exactAttention(tensors, { ...layouts, output }, sizes, scale);
      const off = [...y!].findIndex((value, i) => !(Math.abs(value - values[i]!) <= bounds[i]!));
      expect(off < 0 ? null : [off, y![off], values[off], bounds[off]]).to.equal(null);
    },
    // a query with a NaN gives NaN, and no other does
    ...(layouts.q === 'bhtc' && output === 'bhtc'
      ? {
          poison: {
            element: poisoned * c,
            reaches: (_: number, i: number) => Math.floor(i / valueChannels) === poisoned,
          },
        }
      : {}),
  };
}

function nameOf(
  { shared, mask, scale, std }: Row,
  { b, h, queries, keys, c, valueChannels }: AttentionSizes,
  { q, k, v }: Readonly<Record<'q' | 'k' | 'v', string>>,
): string {
  return [
    `[${b}, ${h}, ${queries}, ${c}] to ${keys} keys`,
    ...(c === valueChannels ? [] : [`values of ${valueChannels} channels`]),
    ...(q === 'bhtc' && k === q && v === q ? [] : [`laid out as ${q}, ${k}, ${v}`]),
    ...(shared === undefined ? [] : [`one of ${Object.keys(shared).join(' and ')} for all`]),
    ...(mask === undefined ? [] : [`mask [${mask}]`]),
    ...(scale === undefined ? [] : [`scale ${scale}`]),
    ...(std === undefined ? [] : [`queries of deviation ${std}`]),
  ].join(', ');
}

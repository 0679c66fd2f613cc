import type { AttentionSizes } from '../../../ops/scaledDotProductAttention/dims.js';
import { resolveLayouts } from '../../../ops/scaledDotProductAttention/layout.js';
import { scaledDotProductAttention } from '../../../src/index.js';
import { exactAttention } from '../../harness/ops/attention.js';
import type { Random } from '../base/random.js';
import type { Output } from '../guard/runs.js';
import type { Given, OpSubject, Values } from './given.js';
import { firstOff, flagsFor, floats, isFloat, shapeOff } from './kit.js';

const LAYOUTS = ['q', 'k', 'v', 'output'] as const;

export const attentionSubject: OpSubject = {
  name: 'ScaledDotProductAttention',
  attrs: ['scale', ...LAYOUTS.map((name) => `${name}Layout`)],
  make: makeAttention,
  // whether layouts fit shapes is what the op works out: only what no layout heals is known here
  legal: ({ tensors: { q, k, v, mask }, attrs }) => {
    const { scale = 1, ...layouts } = attrs;
    const isScale = typeof scale === 'number' && Number.isFinite(scale);
    const floatsOnly = [q, k, v].every((part) => isFloat(part)) && (!mask || isFloat(mask));
    const isText = (layout: unknown) => layout === undefined || typeof layout === 'string';
    return isScale && floatsOnly && Object.values(layouts).every(isText) ? null : false;
  },
  call: ({ q, k, v, ...mask }, { scale, ...attrs }) => {
    const layouts = Object.fromEntries(
      LAYOUTS.filter((name) => `${name}Layout` in attrs).map((name) => [
        name,
        attrs[`${name}Layout`],
      ]),
    );
    const options = {
      ...mask,
      layouts,
      ...(scale === undefined ? {} : { scale: scale as number }),
    };
    return [scaledDotProductAttention(q!, k!, v!, options)];
  },
  node: (given) => {
    const { inputs, flags } = flagsFor(given, { mask: 'hasMask' });
    return { inputs: ['q', 'k', 'v', ...inputs], flags };
  },
  check: checkAttention,
};

function makeAttention(random: Random): Given {
  const [b, h] = [random.between(1, 2), random.between(1, 3)];
  const [queries, keys] = [random.between(1, 18), random.between(1, 18)];
  const c = random.pick([1, 3, 4, 8, 15, 16, 20]);
  const valueChannels = random.pick([c, 1, 5, 8]);
  const layout = random.pick(['bhtc', 'bthc', 'thbc', 'bt1hc', 'b0htc']);
  const axes = (t: number, channels: number) =>
    [...layout].map((name) => ({ b, h, t, c: channels })[name] ?? 3);
  const named = layout === 'bhtc' && random.chance(0.6) ? [] : ['q', 'k', 'v'];
  const masks = [[b, h, queries, keys], [queries, keys], [b, 1, 1, keys], [1], []];
  const mask = floats(random, random.pick(masks));
  if (random.chance(0.3) && keys > 1) mask.values[0] = Number.NEGATIVE_INFINITY;
  return {
    tensors: {
      q: floats(random, axes(queries, c)),
      k: floats(random, axes(keys, c)),
      v: floats(random, axes(keys, valueChannels)),
      ...(random.chance(0.4) ? { mask } : {}),
    },
    attrs: {
      ...Object.fromEntries(named.map((name) => [`${name}Layout`, layout])),
      ...(random.chance(0.3) ? { outputLayout: random.pick(['bhtc', 'bthc', 'thbc']) } : {}),
      ...(random.chance(0.3) ? { scale: random.pick([1, -0.3, 0.125]) } : {}),
    },
  };
}

function checkAttention({ tensors, attrs }: Given, [y]: readonly Output[]): string | null {
  const { q, k, v, mask } = tensors as Record<string, Values>;
  const given = Object.fromEntries(LAYOUTS.map((name) => [name, attrs[`${name}Layout`]]));
  const ranks = { q: q!.shape.length, k: k!.shape.length, v: v!.shape.length };
  const all = resolveLayouts(given, ranks);
  const length = (values: Values, layout: string, axis: string) => {
    const at = layout.indexOf(axis);
    return at < 0 ? 1 : values.shape[at]!;
  };
  const operands = [
    [q!, all.qLayout],
    [k!, all.kLayout],
    [v!, all.vLayout],
  ] as const;
  const common = (axis: string, inMask: number) => {
    const own = operands.map(([values, layout]) => length(values, layout, axis));
    return own.find((one) => one !== 1) ?? mask?.shape.at(inMask) ?? 1;
  };
  const sizes: AttentionSizes = {
    ...{ b: common('b', -4), h: common('h', -3) },
    ...{ queries: length(q!, all.qLayout, 't'), keys: length(k!, all.kLayout, 't') },
    ...{ c: q!.shape.at(-1)!, valueChannels: v!.shape.at(-1)! },
  };
  const axes: Record<string, number> = {
    ...{ b: sizes.b, h: sizes.h, t: sizes.queries, c: sizes.valueChannels },
  };
  const wrong = shapeOff(
    'y',
    y,
    [...all.outputLayout].map((axis) => axes[axis]!),
  );
  if (wrong !== null || y!.values.length === 0 || sizes.c === 0) return wrong;
  const layouts = { q: all.qLayout, k: all.kLayout, v: all.vLayout, output: all.outputLayout };
  const scale = (attrs.scale as number | undefined) ?? 1 / Math.sqrt(sizes.c);
  const numbers = (values: Values) => ({
    shape: [...values.shape],
    values: Float32Array.from(values.values),
  });
  const inputs = { q: numbers(q!), k: numbers(k!), v: numbers(v!) };
  const masked = mask === undefined ? inputs : { ...inputs, mask: numbers(mask) };
  const { values, bounds } = exactAttention(masked, layouts, sizes, scale);
  return firstOff('y', y!.values, values, (i) => bounds[i]!);
}

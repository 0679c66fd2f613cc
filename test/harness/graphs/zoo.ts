import type { DitConfig } from '../../../models/builder/dit.js';
import { type AttentionSpec, PLAIN_ATTENTION } from './attention.js';
import { obfuscatedDit } from './dit.js';
import { mmDit, singleStream } from './joint.js';
import type { ZooGraph } from './kit.js';
import { ACTIVATION_FORMS, MLP_FORMS, type MlpSpec, NORM_FORMS } from './layers.js';
import { LINEAR_FORMS } from './linears.js';
import * as odd from './oddities.js';
import { type BlockSpec, type TransformerSpec, transformer } from './transformer.js';

export interface ZooEntry {
  readonly title: string;
  readonly build: () => ZooGraph;
  /** Why tfjs's wasm backend cannot run it, or null. */
  readonly notOnWasm: string | null;
  /** Runs under executeAsync only. */
  readonly controlFlow: boolean;
}

const GELU: MlpSpec = { form: 'plain', activation: 'tanhPow', hidden: 48 };

export const BLOCK: BlockSpec = {
  attention: PLAIN_ATTENTION,
  cross: null,
  mlp: GELU,
  parallel: false,
  linear: 'fused',
};

export const TRANSFORMER: TransformerSpec = {
  d: 24,
  tokens: 6,
  norm: 'rsqrt',
  modulation: 'zero',
  blocks: [BLOCK, BLOCK],
  caption: false,
  extras: false,
  seed: 3,
};

type Overrides = Partial<Omit<TransformerSpec, 'blocks'>> & {
  readonly block?: Partial<BlockSpec>;
  readonly attention?: Partial<AttentionSpec>;
};

/** A transformer that differs from the plain one in a few parts. */
export function varied({ block, attention, ...rest }: Overrides): ZooGraph {
  const whole: BlockSpec = {
    ...BLOCK,
    ...block,
    attention: { ...PLAIN_ATTENTION, ...attention },
  };
  return transformer({ ...TRANSFORMER, ...rest, blocks: [whole, whole] });
}

/** Every graph whose linears are known. */
export function zoo(): ZooEntry[] {
  return [
    ...dits(),
    ...linears(),
    ...attentions(),
    ...texts(),
    ...joints(),
    ...parts(),
    ...oddities(),
  ];
}

function entry(title: string, build: () => ZooGraph, form: string = 'fused'): ZooEntry {
  return { title, build, notOnWasm: WASM_LACKS[form] ?? null, controlFlow: false };
}

/** What tfjs's wasm backend cannot do, by how linears are written. */
export const WASM_LACKS: Readonly<Record<string, string>> = {
  einsum: "tfjs's wasm backend has no Einsum",
  fusedTurned: "tfjs's wasm backend adds a wrong bias in a _FusedMatMul with transpose_b",
};

function dits(): ZooEntry[] {
  const linear = ['fusedMatMul', 'matMul', 'batchMatMul', 'einsum'] as const;
  const attention = ['fusedQkv', 'separate'] as const;
  const styles = linear.flatMap((l) =>
    attention.map((a): Pick<DitConfig, 'linear' | 'attention'> => ({ linear: l, attention: a })),
  );
  return styles.map((style) =>
    entry(
      `a DiT in ${style.linear}, attention ${style.attention}`,
      () => obfuscatedDit(style),
      style.linear,
    ),
  );
}

function linears(): ZooEntry[] {
  return LINEAR_FORMS.flatMap((linear) => [
    entry(`linears as ${linear}`, () => varied({ block: { linear } }), linear),
    entry(
      `linears as ${linear}, any number of tokens, q, k and v apart`,
      () => varied({ block: { linear }, attention: { joined: 'none' }, tokens: -1 }),
      linear,
    ),
  ]);
}

function attentions(): ZooEntry[] {
  const specs: readonly (readonly [string, Partial<AttentionSpec>])[] = [
    ['qkv split by sizes', { split: 'sizes' }],
    ['qkv sliced', { split: 'slice' }],
    ['kv in one linear', { joined: 'kv' }],
    ['q, k and v apart', { joined: 'none' }],
    ['queries scaled', { scale: 'q' }],
    ['scores divided, with a mask', { scale: 'divided', mask: true }],
    ['softmax on rows', { softmax: 'rows' }],
    ['heads and samples on one axis', { softmax: 'merged', mask: true }],
    ['RMSNorm on q and k', { qkNorm: true }],
    ['rotary positions', { rope: true }],
    ['all at once', { joined: 'none', mask: true, qkNorm: true, rope: true, softmax: 'rows' }],
  ];
  return specs.map(([title, attention]) => entry(title, () => varied({ attention })));
}

function texts(): ZooEntry[] {
  const cross = (joined: AttentionSpec['joined']) => ({ ...PLAIN_ATTENTION, joined });
  const pixArt = (joined: AttentionSpec['joined'], linear: BlockSpec['linear'], tokens: number) =>
    varied({
      modulation: 'single',
      caption: true,
      tokens,
      block: { cross: cross(joined), linear },
    });
  return [
    entry('a PixArt, k and v of the text apart', () => pixArt('none', 'fused', 6)),
    entry('a PixArt, k and v of the text in one', () => pixArt('kv', 'batch', -1)),
    entry('a PixArt as Keras writes it', () => pixArt('kv', 'keras', -1)),
    entry('text that is read as it is', () => varied({ block: { cross: cross('none') } })),
  ];
}

function joints(): ZooEntry[] {
  const qkNorm = { ...PLAIN_ATTENTION, qkNorm: true };
  const apart = { ...PLAIN_ATTENTION, joined: 'none' } as const;
  return [
    entry('two streams, qkv in one linear', () => mmDit(PLAIN_ATTENTION, 'fused')),
    entry('two streams, q, k and v apart and normed', () =>
      mmDit({ ...apart, qkNorm: true }, 'batch'),
    ),
    entry('one stream, qkv and MLP in one linear', () => singleStream(qkNorm, 'fused')),
    entry('one stream with rotary positions', () =>
      singleStream({ ...qkNorm, rope: true }, 'matMul'),
    ),
  ];
}

function parts(): ZooEntry[] {
  const mlps = MLP_FORMS.flatMap((form) =>
    (form === 'fusedRelu' ? (['relu'] as const) : ACTIVATION_FORMS).map((activation) =>
      entry(`MLP ${form} with ${activation}`, () =>
        varied({ block: { mlp: { form, activation, hidden: 48 } } }),
      ),
    ),
  );
  const gates = (['keras', 'batchTurned', 'matMul', 'einsum'] as const).map((linear) =>
    entry(
      `a gate whose linears are ${linear}`,
      () =>
        varied({
          block: { linear, mlp: { form: 'gatedTwo', activation: 'tanhSquare', hidden: 48 } },
        }),
      linear,
    ),
  );
  const norms = NORM_FORMS.map((norm) => entry(`norm as ${norm}`, () => varied({ norm })));
  return [
    ...mlps,
    ...gates,
    ...norms,
    entry('no modulation', () => varied({ modulation: 'none', norm: 'affine' })),
    entry('a linear for each part of a modulation', () => varied({ modulation: 'parts' })),
    entry('attention and MLP side by side', () => varied({ block: { parallel: true } })),
    entry('something else beside', () => varied({ extras: true })),
  ];
}

function oddities(): ZooEntry[] {
  return [
    entry('rows through an MLP', odd.rowsThroughMlp),
    entry('rows through a gated MLP', odd.rowsThroughGatedMlp),
    entry('tied weights', odd.tiedWeights),
    entry('a product that is read twice', odd.productReadTwice),
    entry('linears that are outputs', odd.linearOutputs),
    entry('no signature', odd.withoutSignature),
    entry('control inputs', odd.controlInputs),
    { ...entry('behind a switch', odd.behindSwitch), controlFlow: true },
  ];
}

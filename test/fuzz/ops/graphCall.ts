import * as tf from '@tensorflow/tfjs';
import type { Given, OpSubject } from './given.js';

const DTYPES = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL' } as const;

/** The op as the one node of a graph model, its tensors fed. */
export async function callNode(
  subject: OpSubject,
  given: Given,
  tensorsOf: (given: Given) => Record<string, tf.Tensor>,
): Promise<tf.Tensor[]> {
  const { inputs, flags } = subject.node(given);
  const placeholders = Object.entries(given.tensors).map(([name, { dtype }]) => ({
    ...{ name: `in/${name}`, op: 'Placeholder' },
    attr: { dtype: { type: DTYPES[dtype] } },
  }));
  const attrs = Object.entries(given.attrs).filter(([, value]) => value !== undefined);
  const attr = Object.fromEntries(
    attrs.map(([name, value]) => [nodeName(subject, name), attrOf(value)]),
  );
  const node = {
    ...{ name: 'y', op: subject.name },
    ...{ input: inputs.map((name) => `in/${name}`), attr: { ...attr, ...flags } },
  };
  const model = await tf.loadGraphModel(
    tf.io.fromMemory({
      modelTopology: { versions: {}, node: [...placeholders, node] },
      ...{ weightSpecs: [], weightData: new ArrayBuffer(0) },
    }),
  );
  const fed = tensorsOf(given);
  try {
    const feeds = Object.fromEntries(inputs.filter(isGiven(fed)).map((n) => [`in/${n}`, fed[n]!]));
    const outputs = Array.from({ length: outputsOf(subject, given) }, (_, i) => `y:${i}`);
    const result = model.execute(feeds, outputs);
    return Array.isArray(result) ? result : [result];
  } finally {
    tf.dispose(fed);
    model.dispose();
  }
}

function isGiven(fed: Record<string, tf.Tensor>): (name: string) => boolean {
  return (name) => fed[name] !== undefined;
}

/** Packed files have the old name. */
function nodeName(subject: OpSubject, name: string): string {
  return subject.name === 'HadaNormQuantize' && name === 'center' ? 'centre' : name;
}

function attrOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'boolean') return { b: value };
  if (typeof value === 'string') return { s: Buffer.from(value).toString('base64') };
  if (typeof value !== 'number') return { i: value };
  // as a string a number of 64 bits keeps its digits
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? { i: `${value}` } : { f: value };
}

function outputsOf({ name }: OpSubject, { tensors, attrs }: Given): number {
  if (name === 'ChannelCenter') return 2;
  if (name !== 'HadaNormQuantize') return 1;
  const dynamic = (attrs.center ?? 'dynamic') === 'dynamic';
  const { basis, directions } = tensors;
  return 3 + [dynamic, basis !== undefined, directions !== undefined].filter(Boolean).length;
}

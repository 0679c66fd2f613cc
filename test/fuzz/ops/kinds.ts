import * as tf from '@tensorflow/tfjs';
import type { FuzzCase, Kind } from '../base/kind.js';
import { Random } from '../base/random.js';
import { guardedResult, onCpu } from '../guard/runs.js';
import type { Given, OpSubject, Values } from './given.js';
import { callNode } from './graphCall.js';
import { judged } from './judge.js';
import { isExtreme } from './kit.js';
import { mutateGiven } from './mutateGiven.js';
import { SUBJECTS } from './subjects.js';

interface Call {
  readonly subject: OpSubject;
  readonly given: Given;
  readonly text: string;
}

/** Public ops, called with mutated options and tensors. */
export const opsKind: Kind = {
  name: 'ops',
  share: 380,
  prepare: async () => (seeds) => {
    const call = callOf(seeds);
    return caseOf(call, call.subject.legal(call.given), async () => {
      const { subject, given } = call;
      const tensors = tensorsOf(given);
      try {
        return subject.call(tensors, given.attrs);
      } finally {
        tf.dispose(tensors);
      }
    });
  },
};

/** The same as nodes of graphs, with attributes that a file may hold. */
export const graphsKind: Kind = {
  name: 'graphs',
  share: 220,
  prepare: async () => (seeds) => {
    const mutated = callOf(seeds);
    const { subject } = mutated;
    // a node reads what its flags say, whatever else there is
    const names = ['x', 'q', 'k', 'v', ...subject.node(mutated.given).inputs];
    const tensors = Object.entries(mutated.given.tensors).filter(([name]) => names.includes(name));
    const given = { ...mutated.given, tensors: Object.fromEntries(tensors) };
    const call = { ...mutated, given };
    // what tfjs makes of an attribute of no type is not the op's to say
    const isPlain = Object.values(given.attrs).every(isTyped);
    const run = () => callNode(subject, given, tensorsOf);
    return caseOf(call, isPlain ? subject.legal(given) : null, run, isPlain);
  },
};

function isTyped(value: unknown): boolean {
  if (typeof value === 'string') return /^[ -~]+$/.test(value);
  return typeof value === 'number' || typeof value === 'boolean' || value === undefined;
}

function callOf([first, ...mutations]: readonly number[]): Call {
  const random = new Random(first!);
  const subject = random.pick(SUBJECTS);
  let given = subject.make(random);
  let text = `${subject.name} ${described(given)}:`;
  for (const seed of mutations) {
    const next = mutateGiven(new Random(seed), subject, given);
    given = next.given;
    text = `${text} ${next.text};`;
  }
  return { subject, given, text };
}

function caseOf(
  { subject, given, text }: Call,
  legal: boolean | null,
  call: () => Promise<tf.Tensor[]>,
  isComparable = true,
): FuzzCase {
  return {
    text,
    run: async () => {
      const cpu = await onCpu(call);
      if (cpu.outcome.what === 'found') return cpu.outcome;
      const results = { cpu, wasm: await guardedResult(call, cpu.outcome.what !== 'right') };
      const check = isComparable && !isExtreme(given) ? subject.check : null;
      return judged(legal, results, (outputs) => check?.(given, outputs) ?? null);
    },
  };
}

function tensorsOf({ tensors }: Given): Record<string, tf.Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, values]) => [name, made(values)]));
}

function made({ shape, dtype, values }: Values): tf.Tensor {
  return tf.tensor(values.slice(), [...shape], dtype);
}

function described({ tensors, attrs }: Given): string {
  const shapes = Object.entries(tensors).map(([name, { shape }]) => `${name} [${shape}]`);
  const values = Object.entries(attrs).map(([name, value]) => `${name} ${value}`);
  return [...shapes, ...values].join(', ');
}

import type { GraphModel } from '@tensorflow/tfjs-converter';
import { Tensor } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { dtypeAttr, shapeAttr } from '../graph/attrs.js';
import { type Graph, nodeOf } from '../graph/ir.js';
import type { Batch } from './batch.js';

/** What a batch is checked against. */
export interface Fed {
  readonly model: GraphModel;
  readonly graph: Graph;
  /** What is to be computed: names of nodes, or of their outputs. */
  readonly outputs: readonly string[];
}

/**
 * Checks that a batch is what the model takes, before it runs, by the rules that tfjs has: tensors
 * by the signature's names or the nodes', any node in place of an input.
 * @param at What the caller calls the batch.
 * @throws InvalidArgumentError that names the input that is missing, unknown, or of another shape.
 */
export function checkInputs(
  op: string,
  { model, graph, outputs }: Fed,
  batch: Batch,
  at: string,
): void {
  const names = Object.values(signatureInputs(model));
  // what tfjs feeds by itself
  if (names.some((input) => input !== null && typeof input === 'object' && 'resourceId' in input)) {
    return;
  }
  const fed = fedNodes(op, at, model, batch);
  for (const [given, { node, tensor }] of fed) {
    if (!graph.nodes.has(node)) {
      const wanted = `inputs of the model: ${inputsOf(graph)}`;
      throw new InvalidArgumentError(op, at, wanted, `one named ${describe(given)}`);
    }
    checkTensor(op, `${at}.${given}`, graph, node, tensor);
  }
  const nodes = new Set([...fed.values()].map(({ node }) => node));
  const missing = firstMissing(graph, outputs, nodes);
  if (missing === null) return;
  const wanted = `tensors for ${inputsOf(graph)}`;
  throw new InvalidArgumentError(op, at, wanted, `none for ${describe(missing)}`);
}

/** The tensors of a batch in the order of the nodes' names, however the batch has them. */
export function inputsByNode(op: string, model: GraphModel, batch: Batch): Tensor[] {
  const byNode = tensorsByNode(op, 'batch', model, batch);
  return [...byNode.keys()].sort().map((node) => byNode.get(node)!);
}

/** The tensors of a batch by the names of the nodes that they are for. */
export function tensorsByNode(
  op: string,
  at: string,
  model: GraphModel,
  batch: Batch,
): Map<string, Tensor> {
  const fed = fedNodes(op, at, model, batch).values();
  return new Map([...fed].map(({ node, tensor }) => [node, tensor]));
}

/** By the name that the caller gave: the node that it stands for, and its tensor. */
function fedNodes(
  op: string,
  at: string,
  model: GraphModel,
  batch: Batch,
): Map<string, { node: string; tensor: Tensor }> {
  if (batch instanceof Tensor || Array.isArray(batch)) {
    const tensors = [batch].flat();
    const { inputNodes } = model;
    if (tensors.length !== inputNodes.length) {
      const wanted = `${inputNodes.length} tensors, for ${inputNodes.join(', ')}`;
      throw new InvalidArgumentError(op, at, wanted, `${tensors.length}`);
    }
    return new Map(
      inputNodes.map((name, i) => [name, { node: nodeOf(name), tensor: tensors[i]! }]),
    );
  }
  const signature = signatureInputs(model);
  const nodeNamed = (name: string) => {
    const named = Object.hasOwn(signature, name) ? signature[name]?.name : undefined;
    return nodeOf(named ?? name);
  };
  return new Map(
    Object.entries(batch).map(([name, tensor]) => [name, { node: nodeNamed(name), tensor }]),
  );
}

function signatureInputs({ modelSignature }: GraphModel): Record<string, { name?: string } | null> {
  const signature = modelSignature as { inputs?: Record<string, { name?: string }> } | undefined;
  return signature?.inputs ?? {};
}

function checkTensor(op: string, at: string, graph: Graph, node: string, tensor: Tensor): void {
  const { attrs } = graph.nodes.get(node)!;
  const dtype = dtypeAttr(attrs, 'dtype') ?? tensor.dtype;
  const shape = shapeAttr(attrs, 'shape');
  const fits =
    shape === null ||
    (shape.length === tensor.rank && shape.every((dim, i) => dim < 0 || dim === tensor.shape[i]));
  if (fits && dtype === tensor.dtype) return;
  const dims =
    shape === null ? 'any shape' : `shape [${shape.map((dim) => (dim < 0 ? '?' : dim))}]`;
  const got = `${tensor.dtype} of shape [${tensor.shape}]`;
  throw new InvalidArgumentError(op, at, `${dtype} of ${dims}`, got);
}

function inputsOf(graph: Graph): string {
  return graph.inputs.join(', ') || 'none';
}

/** A placeholder that the outputs need and that nothing was given for. */
function firstMissing(
  { nodes }: Graph,
  outputs: readonly string[],
  fed: ReadonlySet<string>,
): string | null {
  const seen = new Set<string>();
  const open = outputs.map(nodeOf);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = nodes.get(name);
    if (node === undefined || seen.has(name) || fed.has(name)) continue;
    seen.add(name);
    if (node.op === 'Placeholder') return name;
    open.push(...node.inputs.map(nodeOf), ...node.controls);
  }
  return null;
}

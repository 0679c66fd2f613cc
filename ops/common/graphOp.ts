import type { Tensor } from '@tensorflow/tfjs-core';
import { describe, InvalidArgumentError } from '../numerics/errors.js';
import type { NodeAttrs, NodeContract } from './contract.js';

/** What tfjs-converter hands to a custom op: see `registerOp` there. Its types leave `node` out. */
export interface GraphOpNode {
  readonly inputs: readonly Tensor[];
  readonly attrs: { readonly [name: string]: unknown };
  readonly node?: { readonly name?: string };
}

/**
 * Runs one node of a graph model; must not return an input tensor itself, which the executor would
 * dispose.
 */
export type GraphOp = (node: GraphOpNode) => Tensor | Tensor[];

/**
 * The first `count` inputs. What follows them are control inputs, which carry no data: a NodeDef
 * lists them last, and tfjs-converter passes them along without their "^".
 */
export function dataInputs(op: string, node: GraphOpNode, count: number): Tensor[] {
  const inputs = node.inputs.slice(0, count);
  if (inputs.length === count && inputs.every((input) => input != null)) return inputs;
  throw new InvalidArgumentError(op, inputsOf(node), `${count} tensors`, `${node.inputs.length}`);
}

/** How an error names the inputs of a node. */
export function inputsOf(node: GraphOpNode): string {
  const name = node.node?.name;
  return name === undefined ? 'inputs' : `inputs of node ${describe(name)}`;
}

/** The data inputs by the names that the op's contract gives them. */
export function namedInputs<Name extends string, Form>(
  { kernelName, inputNames }: NodeContract<Name, Form>,
  node: GraphOpNode,
): { readonly [N in Name]?: Tensor } {
  const names = inputNames(nodeAttrs(kernelName, node));
  const tensors = dataInputs(kernelName, node, names.length);
  const entries = names.map((name, i) => [name, tensors[i]!]);
  return Object.fromEntries(entries) as { [N in Name]?: Tensor };
}

/** The attributes of a node as its op reads them. @throws InvalidArgumentError for another type. */
export function nodeAttrs(op: string, node: GraphOpNode): NodeAttrs {
  return {
    number: (name) => numberParam(op, node, name),
    bool: (name) => boolParam(op, node, name),
    string: (name) => stringParam(op, node, name),
  };
}

/** A number attribute (`i` or `f`), or undefined where the node has none. */
export function numberParam(op: string, node: GraphOpNode, name: string): number | undefined {
  return typedAttr(op, node, name, 'a number', (value) => typeof value === 'number');
}

/** A bool attribute (`b`), or undefined where the node has none. */
export function boolParam(op: string, node: GraphOpNode, name: string): boolean | undefined {
  return typedAttr(op, node, name, 'a bool', (value) => typeof value === 'boolean');
}

/** A string attribute (`s`) in lower case, as tfjs-converter reads strings, or undefined. */
export function stringParam(op: string, node: GraphOpNode, name: string): string | undefined {
  const isString = (value: unknown) => typeof value === 'string';
  return typedAttr<string>(op, node, name, 'a string', isString)?.toLowerCase();
}

/** A number or list of numbers (`f`, `i`, `list.f`), or undefined where the node has none. */
export function numbersParam(
  op: string,
  node: GraphOpNode,
  name: string,
): number | number[] | undefined {
  const isNumber = (value: unknown) => typeof value === 'number';
  const isNumbers = (value: unknown) => Array.isArray(value) && value.every(isNumber);
  return typedAttr(
    op,
    node,
    name,
    'a number or a list of numbers',
    (value) => isNumber(value) || isNumbers(value),
  );
}

/** The attributes `rangeMin` and `rangeMax`, which go together; undefined where there are none. */
export function rangeParam<T>(
  op: string,
  node: GraphOpNode,
  read: (op: string, node: GraphOpNode, name: string) => T | undefined,
): { min: T; max: T } | undefined {
  const min = read(op, node, 'rangeMin');
  const max = read(op, node, 'rangeMax');
  if (min === undefined && max === undefined) return undefined;
  if (min !== undefined && max !== undefined) return { min, max };
  const missing = min === undefined ? 'rangeMin' : 'rangeMax';
  throw new InvalidArgumentError(op, `attribute ${missing}`, 'there beside the other one', 'none');
}

/** The given entries without the undefined ones, so that an absent attribute means the default. */
export function present<T extends object>(
  entries: { [K in keyof T]: T[K] | undefined },
): Partial<T> {
  const kept = Object.entries(entries).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Partial<T>;
}

function typedAttr<T>(
  op: string,
  node: GraphOpNode,
  name: string,
  wanted: string,
  fits: (value: unknown) => boolean,
): T | undefined {
  const value = node.attrs[name];
  if (value === undefined || value === null) return undefined;
  if (fits(value)) return value as T;
  throw new InvalidArgumentError(op, `attribute ${name}`, wanted, describe(value));
}

import {
  type Attrs,
  type AttrValue,
  boolAttr,
  dtypeAttr,
  numberAttr,
  shapeAttr,
  stringAttr,
} from './attrs.js';
import type { Graph, GraphNode } from './ir.js';

/**
 * A graph as text, a node a line: `name = Op(input, other:1, ^waits) {attribute: value}`, weights
 * with shape and dtype. For tests and debugging; it says the same for either encoding of strings
 * and dtypes.
 */
export function graphText(graph: Graph): string {
  const lines = [...graph.nodes.values()].map((node) => nodeText(graph, node));
  return `${lines.join('\n')}\nreturn ${graph.outputs.join(', ')}\n`;
}

function nodeText(graph: Graph, node: GraphNode): string {
  const weight = graph.weights.get(node.name);
  const inputs = [...node.inputs, ...node.controls.map((name) => `^${name}`)].join(', ');
  const head = `${node.name} = ${node.op}(${inputs})`;
  if (weight === undefined) return head + attrsText(node.attrs);
  const { shape, dtype, quantization } = weight.spec;
  const stored = quantization === undefined ? '' : ` as ${quantization.dtype}`;
  return `${head}: ${dtype}[${shape}]${stored}`;
}

function attrsText(attrs: Attrs): string {
  const shown = Object.entries(attrs)
    .map(([name, value]) => [name, valueText(attrs, name, value)] as const)
    .filter(([, text]) => text !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return shown.length === 0
    ? ''
    : ` {${shown.map(([name, text]) => `${name}: ${text}`).join(', ')}}`;
}

function valueText(attrs: Attrs, name: string, value: AttrValue): string | null {
  if (value === null || value === undefined) return null;
  if ('s' in value) return JSON.stringify(stringAttr(attrs, name));
  if ('b' in value) return `${boolAttr(attrs, name)}`;
  if ('i' in value || 'f' in value) return `${numberAttr(attrs, name, 0)}`;
  if ('type' in value) return dtypeAttr(attrs, name) ?? `${value.type}`;
  if ('shape' in value) {
    const shape = shapeAttr(attrs, name);
    return shape === null ? '[…]' : `[${shape}]`;
  }
  if ('list' in value) return listText(value.list as Record<string, unknown> | undefined);
  return JSON.stringify(value);
}

function listText(list: Record<string, unknown> | undefined): string {
  // files may spell out the kinds of which the list holds none
  const [kind, values] = Object.entries(list ?? {}).find(([, found]) => isFilled(found)) ?? [];
  if (kind === undefined) return '[]';
  const texts = (values as unknown[]).map((value) => {
    if (kind === 'i' || kind === 'f') return String(value);
    return valueText({ value: { [kind]: value } }, 'value', { [kind]: value });
  });
  return `[${texts.join(', ')}]`;
}

function isFilled(values: unknown): boolean {
  return Array.isArray(values) && values.length > 0;
}

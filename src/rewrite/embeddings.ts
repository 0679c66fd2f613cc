import { numberAttr } from '../graph/attrs.js';
import type { GraphBuilder } from '../graph/builder.js';
import { constantIntegers } from '../graph/constants.js';
import { half, signed8 } from '../graph/encodings.js';
import { type GraphNode, nodeOf, type Ref } from '../graph/ir.js';
import { weightBytes } from '../graph/weights.js';
import { sqnr } from '../math/decibels.js';
import type { Match, Pass } from '../recognize/normalize/engine.js';
import type { EmbeddingReport } from '../report/report.js';
import type { ShapedView } from '../shapes/view.js';
import type { RewriteOptions } from './options.js';

/** Elements below which a table is left as it is: it is hardly a part of the file. */
const SMALLEST = 2 ** 18;

/** A node that reads rows of a table. */
interface Lookup extends Match {
  readonly node: GraphNode;
  readonly table: Table;
}

/** A table as it is, and what it is once it is quantized. */
interface Table {
  readonly weight: string;
  readonly shape: readonly [rows: number, d: number];
  readonly read: () => Float32Array;
}

/**
 * GatherV2(table, ids) ⇒ GatherV2(rows, ids) · GatherV2(scales, ids): an embedding table in 8 bits,
 * each row by its largest magnitude. Plain ops, so that it is right on every backend; the file has
 * a byte for each number, memory the numbers.
 */
export class EmbeddingPass implements Pass<Lookup> {
  readonly name = 'embeddings';
  readonly reports: EmbeddingReport[] = [];
  private readonly made = new Map<string, { readonly rows: Ref; readonly scales: Ref }>();

  *match(view: ShapedView): Generator<Lookup> {
    for (const node of view.nodes('GatherV2', 'Gather')) {
      const table = tableOf(view, node);
      if (table !== null) yield { at: node.name, replaced: [node.name], node, table };
    }
  }

  replace(builder: GraphBuilder, { at, node, table }: Lookup): void {
    const { rows, scales } = this.made.get(table.weight) ?? this.make(builder, table);
    const [, ids, ...axis] = node.inputs as [Ref, Ref, ...Ref[]];
    const read = (what: string, from: Ref) =>
      builder.node(node.op, `${at}/${what}`, [from, ids, ...axis], node.attrs);
    builder.node('Mul', at, [read('rows', rows), read('scales', scales)], {}, at);
  }

  private make(builder: GraphBuilder, { weight, shape, read }: Table) {
    const [count, d] = shape;
    const values = read();
    const largest = new Float32Array(count);
    values.forEach((v, at) => {
      const row = Math.floor(at / d);
      largest[row] = Math.max(largest[row]!, Math.abs(v));
    });
    const scale = half(largest);
    const normal = values.map((v, at) => {
      const by = scale.values[Math.floor(at / d)]!;
      return by === 0 ? 0 : Math.min(Math.max(v / by, -1), 1);
    });
    const coded = signed8(normal);
    const rows = builder.stored(`${weight}/rows`, shape, coded);
    const scales = builder.stored(`${weight}/scales`, [count, 1], scale);
    const made = { rows, scales };
    this.made.set(weight, made);
    const bytes = [rows, scales].map((name) => weightBytes(builder.weights.get(name)!));
    this.reports.push({
      ...{ name: weight, shape, bits: 8 },
      sqnr: sqnr(
        values,
        coded.values.map((v, at) => v * scale.values[Math.floor(at / d)]!),
      ),
      bytes: { before: 4 * count * d, after: bytes[0]! + bytes[1]! },
    });
    return made;
  }
}

/** Whether tables are quantized too: as the linears whose weights alone are. */
export function quantizesTables({ weightOnly }: RewriteOptions): boolean {
  return weightOnly !== false && weightOnly?.bits !== null;
}

/** The table that a node reads rows of; null where it is small, or anything else reads it. */
function tableOf(view: ShapedView, node: GraphNode): Table | null {
  const [from, , axis] = node.inputs;
  const { graph } = view;
  const name = nodeOf(from!);
  const weight = graph.weights.get(name);
  if (weight === undefined || weight.spec.dtype !== 'float32') return null;
  const { shape, quantization } = weight.spec;
  if (shape.length !== 2 || shape[0]! * shape[1]! < SMALLEST) return null;
  // in 8 bits already
  if (quantization !== undefined && quantization.dtype === 'uint8') return null;
  const isOfRows = (reader: GraphNode) =>
    ['GatherV2', 'Gather'].includes(reader.op) &&
    nodeOf(reader.inputs[0]!) === name &&
    reader.inputs.slice(1).every((ref) => nodeOf(ref) !== name);
  if (!view.readers(name).every(isOfRows)) return null;
  const alongRows = axis === undefined || constantIntegers(graph, axis)?.[0] === 0;
  if (!alongRows || numberAttr(node.attrs, 'batch_dims', 0) !== 0) return null;
  const read = () => Float32Array.from(weight.values() as Float32Array);
  return { weight: name, shape: [shape[0]!, shape[1]!], read };
}

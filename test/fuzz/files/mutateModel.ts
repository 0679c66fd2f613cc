import type * as tf from '@tensorflow/tfjs';
import type { Random } from '../base/random.js';
import { mutateBytes } from '../mutate/bytes.js';
import { mutateJson } from '../mutate/json.js';
import { hostileJson, hostileNumber, hostileText } from '../mutate/values.js';

/** A model's file as JSON holds it. */
export interface ModelFile {
  readonly topology: { node: NodeJson[] };
  readonly specs: SpecJson[];
  data: Uint8Array<ArrayBuffer>;
  /** Signature, metadata and what else there is. */
  readonly rest: Record<string, unknown>;
}

interface NodeJson {
  name: string;
  op: string;
  input?: string[];
  attr?: Record<string, Record<string, unknown>>;
}

interface SpecJson {
  name: string;
  shape: number[];
  dtype: string;
}

/** A copy that may be changed. */
export function fileOf(artifacts: tf.io.ModelArtifacts): ModelFile {
  const { modelTopology, weightSpecs, weightData, ...rest } = artifacts;
  const json = structuredClone({ modelTopology, weightSpecs, rest });
  return {
    topology: json.modelTopology as ModelFile['topology'],
    specs: json.weightSpecs as SpecJson[],
    data: new Uint8Array((weightData as ArrayBuffer).slice(0)),
    rest: json.rest,
  };
}

/** The file again. */
export function artifactsFrom({ topology, specs, data, rest }: ModelFile): tf.io.ModelArtifacts {
  return {
    ...(rest as tf.io.ModelArtifacts),
    ...{ modelTopology: topology, weightData: data.buffer },
    weightSpecs: specs as tf.io.WeightsManifestEntry[],
  };
}

/** Changes the file in one place, and says where. */
export function mutateModel(random: Random, file: ModelFile): string {
  const part = random.float();
  if (part < 0.5) return `topology ${whereFits(() => mutateTopology(random, file.topology))}`;
  if (part < 0.72) return `specs ${whereFits(() => mutateSpecs(random, file.specs))}`;
  if (part < 0.9) {
    const { bytes, text } = mutateBytes(random, file.data);
    file.data = bytes;
    return `data: ${text}`;
  }
  return `rest ${mutateJson(random, file.rest, hostileJson)}`;
}

/** An earlier change may have made something else of a node or a spec. */
function whereFits(change: () => string): string {
  try {
    return change();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return `left: ${error.message}`;
  }
}

function mutateTopology(random: Random, topology: ModelFile['topology']): string {
  const { node: nodes } = topology;
  if (!Array.isArray(nodes) || nodes.length === 0) return 'without nodes';
  const at = random.below(nodes.length);
  const node = nodes[at]!;
  const where = `${node?.name}`;
  switch (random.below(8)) {
    case 0:
      nodes.splice(at, 1);
      return `${where} removed`;
    case 1:
      nodes.splice(random.below(nodes.length), 0, structuredClone(node));
      return `${where} twice`;
    case 2:
      node.op = random.pick(nodes).op;
      return `${where} is ${node.op}`;
    case 3:
      return `${where} ${rewired(random, node, nodes)}`;
    case 4:
      return `${where} ${mutateJson(random, node as never, hostileJson)}`;
    default:
      return `${where} ${otherAttr(random, node)}`;
  }
}

function rewired(random: Random, node: NodeJson, nodes: readonly NodeJson[]): string {
  const { input = [] } = node;
  const other = random.pick([
    ...[random.pick(nodes).name, `${random.pick(nodes).name}:${random.below(4)}`],
    ...[`^${random.pick(nodes).name}`, node.name, hostileText(random)],
  ]);
  const at = random.below(input.length + 1);
  const count = random.pick([0, 1, 1, 1]);
  node.input = input.toSpliced(at, count, other);
  return `.input[${at}] = ${other}`;
}

/** Numbers are what kernels are told by. */
function otherAttr(random: Random, node: NodeJson): string {
  const entries = Object.entries(node.attr ?? {});
  if (entries.length === 0) return 'has no attributes';
  const numeric = entries.filter(([, value]) => value?.i !== undefined || value?.f !== undefined);
  const [key, value] = random.pick(numeric.length > 0 ? numeric : entries);
  if (numeric.length === 0) return mutateJson(random, node.attr!, hostileJson);
  const was = Number(value.i ?? value.f);
  const number = hostileNumber(random, was);
  node.attr![key] = random.chance(0.7) ? { i: `${number}` } : { f: number };
  return `.${key} = ${number}`;
}

function mutateSpecs(random: Random, specs: SpecJson[]): string {
  if (specs.length === 0) return 'without weights';
  const at = random.below(specs.length);
  const spec = specs[at]!;
  const name = `${spec?.name}`;
  switch (random.below(6)) {
    case 0: {
      const other = random.below(specs.length);
      [specs[at], specs[other]] = [specs[other]!, spec];
      return `${at} and ${other} exchanged`;
    }
    case 1:
      specs.splice(random.below(specs.length), 0, structuredClone(spec));
      return `${name} twice`;
    case 2:
      spec.name = random.chance(0.5) ? hostileText(random) : random.pick(specs).name;
      return `${name} as ${spec.name}`;
    case 3:
      spec.shape = [...(spec.shape ?? [])].reverse();
      return `${name} turned`;
    case 4:
      spec.dtype = random.pick(['float32', 'int32', 'bool', 'string', 'complex64', 'float16', 'x']);
      return `${name} as ${spec.dtype}`;
    default:
      return mutateJson(random, specs, hostileJson);
  }
}

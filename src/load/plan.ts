import type { Json } from '../../ops/common/configs.js';
import { describe } from '../../ops/numerics/errors.js';
import { graphFromArtifacts } from '../graph/artifacts.js';
import type { Graph } from '../graph/ir.js';
import { CheckpointError } from './base/errors.js';
import type { Architecture, Sizes } from './models/architecture.js';
import { asTransformer2d, DIT } from './models/dit.js';
import { FACEBOOK_DIT, isFacebookDit } from './models/facebookDit.js';
import { FLUX } from './models/flux.js';
import { PIXART } from './models/pixart.js';
import { SD3 } from './models/sd3.js';
import { type Need, Net } from './net/net.js';

/** The classes of diffusers that are loaded, by `_class_name` of config.json. */
const CLASSES: Readonly<Record<string, Architecture>> = {
  DiTTransformer2DModel: DIT,
  PixArtTransformer2DModel: PIXART,
  SD3Transformer2DModel: SD3,
  FluxTransformer2DModel: FLUX,
};

/** Names of single files of Flux and SD3, by their makers. */
const ORIGINAL = /^(model\.diffusion_model\.)?(double_blocks|single_blocks|joint_blocks)\./;

/** A model's graph without its weights, and what they are made of. */
export interface Plan {
  readonly graph: Graph;
  /** In the order in which the checkpoint is read best. */
  readonly needs: readonly Need[];
}

/** A checkpoint as far as a plan needs it. */
interface Given {
  readonly config: Json | null;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly copies?: boolean;
}

/** Lists of tensors that may be copies of the first of each: `Given.copies` says whether. */
export function possibleCopies(op: string, given: Given): string[][] {
  const { architecture, config } = architectureOf(op, given);
  return architecture.copies?.(op, config) ?? [];
}

/**
 * The graph that a checkpoint's config tells of, all tensors checked by their headers.
 * @throws CheckpointError for a class that is not known, and for a tensor that is missing, one too
 * many, or of another shape.
 */
export function planOf(op: string, given: Given, sizes: Sizes): Plan {
  const { architecture, config } = architectureOf(op, given);
  const net = new Net(op, given.shapes, given.copies ?? false);
  const output = architecture.build(net, config, sizes);
  checkTensors(net);
  const artifacts = net.graph.topology([output]);
  const userDefinedMetadata = { checkpoint: { ...config } };
  const graph = graphFromArtifacts({ ...artifacts, userDefinedMetadata }, net.graph.weights, op);
  const order = new Map([...given.shapes.keys()].map((name, i) => [name, i]));
  const needs = [...net.needs].sort((a, b) => order.get(a.from.key)! - order.get(b.from.key)!);
  return { graph, needs };
}

function architectureOf(
  op: string,
  { config, shapes }: Given,
): { architecture: Architecture; config: Json } {
  if (isFacebookDit(shapes)) return { architecture: FACEBOOK_DIT, config: config ?? {} };
  const foreign = [...shapes.keys()].find((key) => ORIGINAL.test(key));
  if (foreign !== undefined) {
    const wayOut = "Take the folder transformer/ of diffusers' form of the model.";
    const problem = `${foreign} is a name of the original repository, not of diffusers.`;
    throw new CheckpointError(op, `${problem} ${wayOut}`, foreign);
  }
  if (config === null) {
    const problem = 'there is no config.json beside the weights, and their names are none of DiT';
    throw new CheckpointError(op, `${problem}. Get it too, or give it as the option config.`);
  }
  const { _class_name: name, norm_type: norm } = config;
  const patched = { ada_norm_zero: DIT, ada_norm_single: PIXART } as Record<string, Architecture>;
  if (name === 'Transformer2DModel' && typeof norm === 'string' && Object.hasOwn(patched, norm)) {
    return { architecture: patched[norm]!, config: asTransformer2d(config) };
  }
  if (typeof name === 'string' && Object.hasOwn(CLASSES, name)) {
    return { architecture: CLASSES[name]!, config };
  }
  const all = `${Object.keys(CLASSES).join(', ')} and Transformer2DModel of DiT and PixArt`;
  const problem = `config.json has _class_name = ${describe(name)}; there are ${all}.`;
  throw new CheckpointError(op, problem);
}

function checkTensors({ op, needs, shapes, left }: Net): void {
  const wanted = new Map(needs.map(({ from }) => [from.key, from.shape]));
  const missing = [...wanted.keys()].filter((key) => !shapes.has(key));
  if (missing.length > 0) throw wrong(op, 'lacks', missing, 'Get all of its files.');
  const extra = [...shapes.keys()].filter((key) => !wanted.has(key) && !left.has(key));
  if (extra.length > 0) {
    throw wrong(op, 'has, beside what its config tells of,', extra, 'The config may be another.');
  }
  for (const [key, shape] of wanted) {
    const got = shapes.get(key)!;
    if (`${got}` === `${shape}`) continue;
    const problem = `${key} must be of shape [${shape}] by the config, it is [${got}].`;
    throw new CheckpointError(op, problem, key);
  }
}

function wrong(op: string, what: string, keys: readonly string[], wayOut: string): CheckpointError {
  const more = keys.length > 1 ? ` and ${keys.length - 1} more` : '';
  const problem = `the checkpoint ${what} the tensor ${keys[0]}${more}.`;
  return new CheckpointError(op, `${problem} ${wayOut}`, keys[0]);
}

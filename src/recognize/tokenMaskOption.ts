import { checkOptions } from '../../ops/common/checks.js';
import { describe, InvalidArgumentError } from '../../ops/numerics/errors.js';
import { canonical } from '../graph/ir.js';
import { groupBy } from '../math/groups.js';
import type { Analysis, PlacedLinear } from './analysis.js';
import { checkSelector, fits, type Selector } from './fits.js';
import { type SiteAxes, SiteMaskFinder, type SiteMasks } from './siteMasks.js';
import type { NamedMask, TokenMask } from './tokenMask.js';

/** Which tokens count at the sites of some linears; later rules win. */
export interface TokenMaskRule extends Selector {
  /**
   * A tensor of the graph, [samples..., tokens]: an input or a node by name, in which what is not 0
   * counts. 'auto': what the attentions of the model hide does not. false: all tokens count.
   */
  mask: string | 'auto' | false;
}

/**
 * Which tokens count, at all sites or by rules. A name alone is for the sites that have as many
 * tokens as the tensor; the others are as with 'auto'.
 */
export type TokenMaskOption = TokenMaskRule['mask'] | TokenMaskRule | readonly TokenMaskRule[];

/** The masks of all sites, and what there is to say about the option. */
export interface ChosenMasks extends SiteMasks {
  /** Names that are for no site, in words. */
  readonly unmatched: readonly string[];
}

/** @throws InvalidArgumentError for what is no such option. */
export function checkTokenMask(op: string, option: TokenMaskOption | undefined): void {
  rulesOf(option).forEach((rule, i) => {
    const at = Array.isArray(option) ? `tokenMask[${i}]` : 'tokenMask';
    checkOptions(op, rule, ['mask', 'role', 'match'], at);
    const { mask } = rule;
    const isName = typeof mask === 'string' && mask !== '';
    if (!isName && mask !== false) {
      const wanted = "'auto', false, or the name of an input or node";
      const where = typeof option === 'object' ? `${at}.mask` : at;
      throw new InvalidArgumentError(op, where, wanted, describe(mask));
    }
    checkSelector(op, at, rule);
  });
}

/**
 * The mask of each site of a graph.
 * @throws InvalidArgumentError for a name that the graph does not have, or a tensor that is no mask
 * of the sites that a rule selects.
 */
export function chooseMasks(
  op: string,
  analysis: Analysis,
  option: TokenMaskOption | undefined,
): ChosenMasks {
  const rules = rulesOf(option);
  const finder = new SiteMaskFinder(analysis);
  const auto = finder.find();
  if (rules.length === 0) return { ...auto, unmatched: [] };
  const masks = new Map<string, TokenMask>();
  const used = new Set<TokenMaskRule>();
  for (const [key, placed] of groupBy(analysis.linears, (one) => one.key)) {
    const axes = finder.axesOf(placed[0]!.site);
    if (axes === null) continue;
    const rule = rules.findLast((one) => takes(op, analysis, finder, one, placed, axes));
    if (rule !== undefined) used.add(rule);
    const mask = rule?.mask ?? 'auto';
    const chosen = mask === 'auto' ? auto.masks.get(key) : mask === false ? undefined : mask;
    if (chosen !== undefined) {
      masks.set(key, typeof chosen === 'string' ? namedMask(op, analysis, chosen) : chosen);
    }
  }
  const unmatched = rules.filter((rule) => !used.has(rule)).map(textOf);
  // of sites whose masks were said by hand, nothing needs to be said
  const asked = rules.some((rule) => isForAll(rule) && rule.mask === false);
  return { masks, notes: asked ? [] : auto.notes, unmatched };
}

/** @throws InvalidArgumentError for a name that is for no site, where no report can say so. */
export function checkMatched(op: string, { unmatched }: ChosenMasks): void {
  const [nowhere] = unmatched;
  if (nowhere === undefined) return;
  const wayOut = 'describeGraph(model) lists linears, their roles and sites.';
  throw new InvalidArgumentError(op, 'tokenMask', 'for one site at least', nowhere, wayOut);
}

/** Whether a rule is for a site. @throws InvalidArgumentError where it cannot be, but says so. */
function takes(
  op: string,
  analysis: Analysis,
  finder: SiteMaskFinder,
  rule: TokenMaskRule,
  placed: readonly PlacedLinear[],
  axes: SiteAxes,
): boolean {
  if (!placed.some(({ linear, role }) => fits(rule, linear.name, role))) return false;
  if (rule.mask === 'auto' || rule.mask === false) return true;
  const { ref, rank } = namedMask(op, analysis, rule.mask);
  const length = analysis.view.dimsOf(ref)!.at(-1)!;
  const { size } = axes.tokens;
  const differ = typeof length === 'number' && typeof size === 'number' && length !== size;
  const own = finder.flow.axesOf(ref)?.at(-1)?.[0];
  const alike = length === size || (own !== undefined && finder.flow.atoms.same(own, axes.tokens));
  if (isForAll(rule)) return alike && rank <= axes.samples.length + 1;
  const most = axes.samples.length + 1;
  if (differ || rank > most || finder.isBehind(ref, placed)) {
    const where = JSON.stringify(placed[0]!.linear.name);
    const wanted = `[samples..., tokens] of ${where}, ${size} tokens, and not made of them`;
    const got = `${JSON.stringify(rule.mask)} of shape [${analysis.view.dimsOf(ref)}]`;
    throw new InvalidArgumentError(op, 'tokenMask', wanted, got);
  }
  return true;
}

function namedMask(op: string, { view }: Analysis, name: string): NamedMask {
  const ref = canonical(name);
  const dims = view.dimsOf(ref);
  if (view.producer(ref) === null) {
    const wayOut = `The model's inputs are ${view.graph.inputs.join(', ')}.`;
    const wanted = 'the name of an input or node of the model';
    throw new InvalidArgumentError(op, 'tokenMask', wanted, JSON.stringify(name), wayOut);
  }
  if (dims === null || dims.length === 0) {
    const got = dims === null ? 'one whose shape is not known' : 'a number';
    const wanted = `a tensor [samples..., tokens] in ${JSON.stringify(name)}`;
    throw new InvalidArgumentError(op, 'tokenMask', wanted, got);
  }
  return { kind: 'named', ref, rank: dims.length };
}

function rulesOf(option: TokenMaskOption | undefined): readonly TokenMaskRule[] {
  if (option === undefined || option === 'auto') return [];
  if (Array.isArray(option)) return option as readonly TokenMaskRule[];
  const isRule = typeof option === 'object' && option !== null;
  return [isRule ? (option as TokenMaskRule) : { mask: option as string | false }];
}

function isForAll({ role, match }: TokenMaskRule): boolean {
  return role === undefined && match === undefined;
}

function textOf({ mask, role, match }: TokenMaskRule): string {
  const parts = [
    ...(role === undefined ? [] : [`role '${role}'`]),
    ...(match === undefined ? [] : [`match ${match instanceof RegExp ? match : `'${match}'`}`]),
  ];
  const where = parts.length === 0 ? '' : ` (${parts.join(', ')})`;
  return `tokenMask ${JSON.stringify(mask)}${where} is for no site`;
}

import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { mean } from '../math/decibels.js';
import { type Recipe, type RecipeRule, type RecipeTarget, recipeFor } from '../report/recipe.js';
import { sitesOf } from '../report/recipeChoices.js';
import type { QuantizationReport } from '../report/report.js';
import { transformedOutputs } from '../report/totals.js';
import { impliedRules } from './impliedRules.js';
import type { Rule } from './options.js';

/** A recipe for a model that was made with rules, by its report. */
interface Reported {
  readonly report: QuantizationReport;
  readonly rules: readonly Rule[];
  readonly recipe: Recipe;
}

/** What is to be made next. */
export interface Attempt extends Reported {
  /** Whether its recipe is in the place of what was tried before, not besides. */
  readonly isInstead: boolean;
}

/** What a target needs of a model as it is. @throws What `recommendRules` throws. */
export function firstAttempt(
  op: string,
  report: QuantizationReport,
  rules: readonly Rule[] = [],
  target: RecipeTarget,
): Attempt {
  return { report, rules, recipe: recipeFor(op, report, target), isInstead: true };
}

/** The rules of an attempt: those that its model had, how that treats all linears, its recipe. */
export function rulesOf(op: string, { report, rules, recipe }: Attempt): Rule[] {
  return [...rules, ...impliedRules([...keptRules(op, report, recipe), ...recipe.rules])];
}

/**
 * How a model treats the linears that a recipe leaves alone: what was chosen by measuring once need
 * not be measured again, and might come out otherwise where others have left their site.
 */
export function keptRules(op: string, report: QuantizationReport, { rules }: Recipe): Rule[] {
  const changed = new Set(rules.map(({ match }) => match));
  const linears = sitesOf(report, op).flatMap((site) => site.linears);
  const others = linears.filter(({ name }) => !changed.has(name));
  const parts = new Map(report.linears.map(({ name, parts = {} }) => [name, parts]));
  return others.map(({ name, kept }) => ({ match: name, ...kept, ...parts.get(name) }));
}

/**
 * What is still to be done for a target after what was made last, `recipe` all of it; null where
 * nothing more helps.
 */
export function nextAttempt(
  op: string,
  target: RecipeTarget,
  first: Attempt,
  last: Reported,
): Attempt | null {
  try {
    if (!('maxBytes' in target)) {
      const recipe = recipeFor(op, last.report, target);
      return recipe.rules.length === 0 ? null : { ...last, recipe, isInstead: false };
    }
    const { after } = last.report.totals.modelBytes;
    // as much as fits is in the model already
    if (after <= target.maxBytes) return null;
    const unexpected = after - last.recipe.expected.modelBytes;
    const maxBytes = target.maxBytes - unexpected;
    return firstAttempt(op, first.report, first.rules, { maxBytes });
  } catch (error) {
    if (error instanceof InvalidArgumentError) return null;
    throw error;
  }
}

/** Both recipes as one: of rules for one linear the later holds. */
export function joinedRecipes(first: Recipe, second: Recipe): Recipe {
  const rules = new Map<string, RecipeRule>();
  for (const rule of [...first.rules, ...second.rules]) rules.set(rule.match, rule);
  return { rules: [...rules.values()], expected: second.expected };
}

/** A report that says by how much a target is missed, where it is. */
export function withShortfall(
  report: QuantizationReport,
  target: RecipeTarget,
): QuantizationReport {
  const missing = shortfallOf(report, target);
  return missing === null ? report : { ...report, notes: [...(report.notes ?? []), missing] };
}

function shortfallOf(report: QuantizationReport, target: RecipeTarget): string | null {
  const short = (wanted: string, got: string) => `the target is missed: ${wanted}, got ${got}`;
  if ('maxBytes' in target) {
    const { after } = report.totals.modelBytes;
    const wanted = `at most ${target.maxBytes} bytes`;
    return after <= target.maxBytes ? null : short(wanted, `${after}`);
  }
  const outputs = transformedOutputs(report.linears);
  const [wanted, got] =
    'minSqnr' in target ? [target.minSqnr, Math.min(...outputs)] : [target.meanSqnr, mean(outputs)];
  return got >= wanted ? null : short(`at least ${wanted} dB`, got.toFixed(2));
}

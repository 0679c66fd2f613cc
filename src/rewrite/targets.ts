import { InvalidArgumentError } from '../../ops/numerics/errors.js';
import { type Recipe, type RecipeRule, type RecipeTarget, recipeFor } from '../report/recipe.js';
import { sitesOf } from '../report/recipeChoices.js';
import type { QuantizationReport } from '../report/report.js';
import type { Rule } from './options.js';

/**
 * A recipe's rules, and for all other linears how they are treated already: what was chosen by
 * measuring once need not be measured again.
 */
export function rulesOf(op: string, report: QuantizationReport, { rules }: Recipe): Rule[] {
  const changed = new Set(rules.map(({ match }) => match));
  const linears = sitesOf(report, op).flatMap((site) => site.linears);
  const others = linears.filter(({ name }) => !changed.has(name));
  const parts = new Map(report.linears.map(({ name, parts = {} }) => [name, parts]));
  return [
    ...others.map(({ name, kept }) => ({ match: name, ...kept, ...parts.get(name) })),
    ...rules,
  ];
}

/** What is still to be done for a target after a first recipe; null where nothing more helps. */
export function furtherRecipe(
  op: string,
  report: QuantizationReport,
  target: RecipeTarget,
): Recipe | null {
  // as much as fits is in the model already
  if ('maxBytes' in target) return null;
  try {
    return recipeFor(op, report, target);
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
  const outputs = report.linears.flatMap(({ treatment, sqnr }) =>
    treatment === 'transformed' && sqnr !== null ? [sqnr.output] : [],
  );
  const [wanted, got] =
    'minSqnr' in target
      ? [target.minSqnr, Math.min(...outputs)]
      : [target.meanSqnr, outputs.reduce((sum, output) => sum + output, 0) / outputs.length];
  return got >= wanted ? null : short(`at least ${wanted} dB`, got.toFixed(2));
}

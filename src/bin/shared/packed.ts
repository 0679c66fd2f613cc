import { resolve } from 'node:path';
import { writeWhole } from '../../node/wholeFiles.js';
import { countsOf } from '../../report/recipeText.js';
import { reportJson } from '../../report/reportJson.js';
import { reportTable } from '../../report/reportTable.js';
import { transformedOutputs } from '../../report/totals.js';
import type { QuantizeResult } from '../../rewrite/quantize.js';
import { quantizedFiles } from '../../save/saveQuantized.js';
import { type Context, printResult, watched } from './context.js';
import type { Out } from './flags.js';
import { type RecipeOptions, recipeText } from './recipes.js';

/**
 * Writes a quantized model, its report and its recipe, all files or none, and prints what was done.
 */
export async function writePacked(
  context: Context,
  made: Omit<QuantizeResult, 'stats'>,
  asked: RecipeOptions,
  flags: Out & { readonly json?: boolean },
): Promise<void> {
  const { model, report, recipe } = made;
  const { signal } = context;
  const files = await quantizedFiles(model, watched(context));
  const { 'model.json': json, ...shards } = Object.fromEntries(files);
  const text = new TextEncoder();
  // model.json last: until then the former one stands
  const all = {
    ...shards,
    'report.json': text.encode(reportJson(report)),
    'recipe.json': text.encode(recipeText(asked, made)),
    'model.json': json!,
  };
  const out = resolve(flags.out);
  await writeWhole(out, new Map(Object.entries(all)), signal);
  const fileBytes = [...files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  const rules = recipe?.rules ?? [];
  const in8Bits = rules.flatMap(({ match, weights }) => (weights === undefined ? [] : [match]));
  const ranks = rules.flatMap(({ match, weights, lowRank }) =>
    weights === undefined && lowRank !== undefined ? [[match, lowRank] as const] : [],
  );
  const outputs = transformedOutputs(report.linears);
  const { totals, notes = [] } = report;
  const sqnr = {
    min: outputs.length === 0 ? null : Math.min(...outputs),
    mean: totals.sqnr?.output ?? null,
  };
  const raised = { in8Bits, ranks: Object.fromEntries(ranks) };
  const result = { out: flags.out, fileBytes, sqnr, ...raised, totals, notes };
  printResult(context, flags.json, result, () => {
    const changed = rules.length === 0 ? '' : `; for the target: ${countsOf(rules)}`;
    const least =
      sqnr.min === null ? 'nothing measured' : `least output SQNR ${sqnr.min.toFixed(1)} dB`;
    return `${reportTable(report, { by: 'role' })}\n${flags.out}: ${least}${changed}`;
  });
}

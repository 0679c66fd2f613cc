import { resolve } from 'node:path';
import { writeWhole } from '../../node/wholeFiles.js';
import { countsOf } from '../../report/recipeText.js';
import { reportJson } from '../../report/reportJson.js';
import { reportTable } from '../../report/reportTable.js';
import { transformedOutputs } from '../../report/totals.js';
import type { QuantizeResult } from '../../rewrite/quantize.js';
import { packedFiles } from '../../save/modelFiles.js';
import { packedModel } from '../../save/packed.js';
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
  let fileBytes = 0;
  async function* files(): AsyncGenerator<[string, Uint8Array]> {
    const text = new TextEncoder();
    yield ['report.json', text.encode(reportJson(report))];
    yield ['recipe.json', text.encode(recipeText(asked, made))];
    // model.json is last: until then the former one stands
    for await (const file of packedFiles(packedModel('quantize', model, watched(context)))) {
      fileBytes += file[1].length;
      yield file;
    }
  }
  await writeWhole(resolve(flags.out), files(), signal);
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

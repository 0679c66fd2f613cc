export {
  type Recipe,
  type RecipeRule,
  type RecipeTarget,
  recommendRules,
} from './report/recipe.js';
export type { LinearReport, QuantizationReport } from './report/report.js';
export { REPORT_HTML_DEFAULTS, type ReportHtmlOptions, reportHtml } from './report/reportHtml.js';
export { parseReport, reportJson } from './report/reportJson.js';
export {
  REPORT_TABLE_DEFAULTS,
  type ReportTableOptions,
  reportTable,
} from './report/reportTable.js';

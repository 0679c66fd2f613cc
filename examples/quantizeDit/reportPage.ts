import { HadaNormError, type QuantizationReport } from 'tfjs-hadanorm';
import { reportHtml } from 'tfjs-hadanorm/report';

/**
 * Reports, each with its title, as one page: that of the first, with what the others show below.
 */
export async function reportsPage(
  reports: readonly { readonly title: string; readonly report: QuantizationReport }[],
): Promise<string> {
  const pages: string[] = [];
  for (const { title, report } of reports) pages.push(await reportHtml(report, { title }));
  const joined = (part: RegExp, glue: string) =>
    pages.map((page) => part.exec(page)?.[0] ?? missing(part)).join(glue);
  const titles = joined(TITLE, '; ');
  const contents = joined(MAIN, '');
  return pages[0]!.replace(TITLE, () => titles).replace(MAIN, () => contents);
}

/** What is in a page's title and in its main element. */
const TITLE = /(?<=<title>).*(?=<\/title>)/;
const MAIN = /(?<=<main>)[\s\S]*(?=<\/main>)/;

function missing(part: RegExp): never {
  throw new HadaNormError('reportsPage', `reportHtml wrote no ${part}.`);
}

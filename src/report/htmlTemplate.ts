/** Markup that is safe to put into a page as it is. */
export class Html {
  constructor(readonly markup: string) {}

  toString(): string {
    return this.markup;
  }
}

/** What a template takes: text, which it escapes, or markup; null and false are nothing. */
export type HtmlPart = Html | string | number | null | false | readonly HtmlPart[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Markup with every value escaped, for elements' contents and for quoted attributes. */
export function html(literals: TemplateStringsArray, ...parts: readonly HtmlPart[]): Html {
  return new Html(
    literals.reduce((markup, literal, i) => markup + toMarkup(parts[i - 1] ?? null) + literal),
  );
}

function toMarkup(part: HtmlPart): string {
  if (part instanceof Html) return part.markup;
  if (part === null || part === false) return '';
  if (typeof part === 'object') return part.map(toMarkup).join('');
  return String(part).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

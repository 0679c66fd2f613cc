/** The page's element of an id; index.html has it. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** A new element with properties and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A link that saves what it points at under a name. */
export function saveLink(name: string, content: Blob, text: string): HTMLAnchorElement {
  const href = URL.createObjectURL(content);
  return element('a', { href, download: name, className: 'button' }, text);
}

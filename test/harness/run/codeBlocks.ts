/** The ```ts blocks of Markdown, or of the comments of a source file. */
export function codeBlocks(text: string): string[] {
  return [...text.matchAll(/^( \* )?```ts\n([\s\S]*?)^( \* )?```/gm)].map(([, , body]) =>
    body!.replace(/^ \* ?/gm, ''),
  );
}

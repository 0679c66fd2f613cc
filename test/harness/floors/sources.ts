import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Text of every TypeScript file below some folders, by its path from `root`; hidden ones aside. */
export function sourcesOf(root: string, folders: readonly string[]): Map<string, string> {
  const sources = new Map<string, string>();
  const visit = (path: string) => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const { name } = entry;
      const inside = `${path}/${name}`;
      // hidden: what other tests write for a while
      if (name.startsWith('.') || name === 'node_modules') continue;
      if (entry.isDirectory()) visit(inside);
      else if (name.endsWith('.ts')) sources.set(inside, readFileSync(join(root, inside), 'utf8'));
    }
  };
  for (const folder of folders) visit(folder);
  return sources;
}

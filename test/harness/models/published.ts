import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../../scripts/process.js';
import { caseOf, type PublishedCase } from './publishedCases.js';

/** The folder of a checkpoint, on disk. */
export function publishedFolder(name: string): string {
  return join(ROOT, 'test', 'fixtures', 'checkpoints', name);
}

/** Inputs of a checkpoint's model, new at each call, and what it gives. */
export function publishedCase(name: string): PublishedCase {
  return caseOf(readFileSync(join(publishedFolder('expected'), `${name}.safetensors`)));
}

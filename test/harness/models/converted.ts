import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { ROOT } from '../../../scripts/process.js';
import { fileSystem } from '../../../src/node.js';
import { type ConvertedCase, convertedCase, type Stored } from './convertedCases.js';

function pathOf(name: string, ...path: string[]): string {
  return join(ROOT, 'test', 'fixtures', 'graphs', name, ...path);
}

/** A converted model of test/fixtures/graphs, from disk. */
export function convertedModel(name: string, stored: Stored): Promise<tf.GraphModel> {
  return tf.loadGraphModel(fileSystem(pathOf(name, stored)));
}

/** What it was given, and what came of it. */
export function convertedCaseOf(name: string): ConvertedCase {
  return convertedCase(readFileSync(pathOf(name, 'expected.safetensors')));
}

/** A linear as its maker knows it. */
export interface MadeLinear {
  readonly role: string;
  readonly shape: readonly number[];
  /** ‖W‖, by which it is known whatever it is called. */
  readonly norm: number;
}

export function madeLinears(name: string): MadeLinear[] {
  return JSON.parse(readFileSync(pathOf(name, 'linears.json'), 'utf8'));
}

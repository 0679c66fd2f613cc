import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { benchCommand } from './commands/bench.js';
import { calibrateCommand, mergeCommand } from './commands/calibrate.js';
import { inspectCommand } from './commands/inspect.js';
import { quantizeCommand } from './commands/quantize.js';
import { reportCommand } from './commands/report.js';
import { sampleCommand } from './commands/sample.js';
import { verifyCommand } from './commands/verify.js';
import type { Context } from './shared/context.js';

const COMMANDS = [
  inspectCommand,
  calibrateCommand,
  mergeCommand,
  quantizeCommand,
  reportCommand,
  sampleCommand,
  verifyCommand,
  benchCommand,
];

/** The command line: a command to a file in `commands/`. */
export function programOf(context: Context): Command {
  const program = new Command('tfjs-hadanorm')
    .description(
      'Quantizes diffusion transformers of TensorFlow.js by HadaNorm, and says what that does.',
    )
    .version(versionOf())
    .exitOverride()
    .configureOutput({
      writeErr: (text) => context.note(text.trimEnd()),
      outputError: (text, write) => {
        const words = text
          .replace(/^error: /, '')
          .trim()
          .replace(/\s*\n\s*/g, ' ');
        write(`tfjs-hadanorm: ${words} (--help shows usage and examples)`);
      },
    })
    .addHelpText(
      'after',
      `
A model is a folder with model.json, the path of model.json, or its URL. Results go to stdout,
progress to stderr; the exit code is 0, 1 for an error, 2 for a wrong use, 130 after Ctrl-C.

Example:
  tfjs-hadanorm quantize model/ -o small/ && tfjs-hadanorm verify model/ small/`,
    );
  for (const add of COMMANDS) add(program, context);
  // subcommands are made before: they do not inherit what is set later
  for (const command of program.commands) command.copyInheritedSettings(program);
  return program;
}

/** Of the nearest package.json: this file lies at different depths in source and build. */
function versionOf(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const version = versionIn(join(at, 'package.json'));
    if (version !== null || dirname(at) === at) return version ?? 'unknown';
  }
}

function versionIn(file: string): string | null {
  let json: { name?: unknown; version?: unknown };
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
  return json.name === 'tfjs-hadanorm' ? `${json.version}` : null;
}

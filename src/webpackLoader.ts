import { withThreadScript } from './bundlers/threadScript.js';

/** The part of webpack's loader context that is used. */
interface LoaderContext {
  readonly resourcePath: string;
}

/** A webpack loader for the file that starts tfjs's threads; `wasmThreads()` applies it. */
export default function threadScriptLoader(this: LoaderContext, code: string): Promise<string> {
  return withThreadScript(this.resourcePath, code);
}

import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { createServer, type ViteDevServer } from 'vite';
import { OnnxBuilder } from '../bench/onnxModel.js';
import { launch } from './demo/driver.js';

/** It may take this long on a busy machine, where vite bundles tfjs meanwhile. */
const LIMIT_MS = 120_000;

/** The page of the guide, as `npx vite` serves its folder. */
export class GuidePage {
  private constructor(
    private readonly server: ViteDevServer,
    private readonly browser: Browser,
  ) {}

  static async served(root: string, browser: string): Promise<GuidePage> {
    const { NODE_ENV } = process.env;
    const server = await createServer({
      ...{ root, configFile: false, logLevel: 'error', cacheDir: join(root, '.vite') },
      server: { host: '127.0.0.1', port: 0, hmr: false, fs: { strict: false } },
    });
    // vite sets it, for this process and its other suites too
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    await server.listen();
    return new GuidePage(server, await launch(browser));
  }

  /** Opens it, and waits until it is done. Returns the bytes of its pictures' pixels, RGBA. */
  async drawn(): Promise<number[]> {
    const page = await this.browser.newPage();
    const said: string[] = [];
    page.on('pageerror', ({ message }) => said.push(message));
    const { port } = this.server.httpServer!.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/`);
    await page.waitForFunction(
      () => document.querySelector('#status')?.textContent === 'Done',
      undefined,
      { timeout: LIMIT_MS },
    );
    const pixels = await page.evaluate(() =>
      [...document.querySelectorAll('canvas')].flatMap((canvas) => {
        const { width, height } = canvas;
        return [...canvas.getContext('2d')!.getImageData(0, 0, width, height).data];
      }),
    );
    expect(said).to.deep.equal([]);
    await page.close();
    return pixels;
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.close();
  }
}

/** What a decoder does that mixes channels, and makes nothing larger. */
export interface TinyDecoder {
  /** [3, 4]. */
  readonly mix: Float32Array;
  readonly bias: readonly number[];
}

/** It as an .onnx, with a decoder's input and output. */
export function tinyDecoder(decoder: TinyDecoder): Uint8Array {
  const onnx = new OnnxBuilder();
  const latents = onnx.input('latent_sample', 'float32', ['batch', 4, 'height', 'width']);
  const mix = onnx.constant('mix', [3, 4, 1, 1], decoder.mix);
  const bias = onnx.constant('bias', [3], Float32Array.from(decoder.bias));
  const sample = onnx.node('Conv', 'sample', [latents, mix, bias]);
  return onnx.build(sample, 'float32', ['batch', 3, 'height', 'width']);
}

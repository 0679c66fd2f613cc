import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { InvalidArgumentError } from '../../../src/index.js';
import { CheckpointError, type CheckpointSource, loadCheckpoint } from '../../../src/load.js';
import { checkpointFiles } from '../../../src/node.js';
import { publishedCase, publishedFolder } from '../../harness/models/published.js';
import { PUBLISHED } from '../../harness/models/publishedCases.js';
import { rejection } from '../../harness/run/rejection.js';

/** Two shards, to whose second a reader comes back after its header. */
const NAME = 'flux';

describe('Sources of checkpoints', () => {
  let exact: ArrayLike<number>;

  before(async () => {
    await tf.setBackend('cpu');
    exact = await outputOf(checkpointFiles(publishedFolder(NAME)));
  });

  async function outputOf(source: CheckpointSource): Promise<ArrayLike<number>> {
    const model = await loadCheckpoint(source, PUBLISHED[NAME]);
    const { inputs } = publishedCase(NAME);
    const output = model.predict(inputs) as tf.Tensor;
    const values = await output.data();
    tf.dispose([output, inputs]);
    model.dispose();
    return values;
  }

  it('Files of a page, in any order', async () => {
    const files = readdirSync(publishedFolder(NAME)).map(
      (name) => new File([readFileSync(join(publishedFolder(NAME), name))], name),
    );
    expect(await outputOf(files.reverse())).to.deep.equal(exact);
    const twice = await rejection(loadCheckpoint([...files, files[0]!]));
    expect(twice).to.be.instanceOf(InvalidArgumentError);
  });

  it('an index or a weight file alone is enough said', async () => {
    const index = 'diffusion_pytorch_model.safetensors.index.json';
    expect(await outputOf(checkpointFiles(join(publishedFolder(NAME), index)))).to.deep.equal(
      exact,
    );
  });

  for (const given of [null, 3, 'model', 'file:///model', {}, [], [3]]) {
    it(`${JSON.stringify(given)} is no source`, async () => {
      const error = await rejection(loadCheckpoint(given as CheckpointSource));
      expect(error).to.be.instanceOf(InvalidArgumentError);
    });
  }

  describe('of a server', () => {
    let server: Server;
    let url: string;
    let requests: string[];
    let answer: (file: Uint8Array, request: IncomingMessage, response: ServerResponse) => void;

    before(async () => {
      server = createServer((request, response) => {
        const name = basename(request.url!.split('?')[0]!);
        requests.push(`${name} ${request.headers.range ?? 'whole'}`);
        if (!readdirSync(publishedFolder(NAME)).includes(name)) response.writeHead(404).end();
        else answer(readFileSync(join(publishedFolder(NAME), name)), request, response);
      });
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/transformer`;
    });
    beforeEach(() => {
      requests = [];
    });
    after(() => server.close());

    const whole: typeof answer = (file, _request, response) => {
      response.writeHead(200, { 'content-length': file.length }).end(file);
    };
    const ranged: typeof answer = (file, { headers }, response) => {
      const [, from] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
      if (from === undefined) return whole(file, {} as IncomingMessage, response);
      const begin = Number(from);
      const range = `bytes ${begin}-${file.length - 1}/${file.length}`;
      const length = file.length - begin;
      response.writeHead(206, { 'content-range': range, 'content-length': length });
      response.end(file.subarray(begin));
    };

    it('that knows ranges: what it has said is not asked for again', async () => {
      answer = ranged;
      expect(await outputOf(url)).to.deep.equal(exact);
      const ofShards = requests.filter((request) => request.includes('-of-'));
      // the headers, then the first shard from its data on; the second's is still open
      expect(ofShards.map((one) => one.replace(/\d+-$/, 'n-'))).to.deep.equal([
        'diffusion_pytorch_model-00001-of-00002.safetensors whole',
        'diffusion_pytorch_model-00002-of-00002.safetensors whole',
        'diffusion_pytorch_model-00001-of-00002.safetensors bytes=n-',
      ]);
    });

    it('that knows none: whole files are streamed', async () => {
      answer = whole;
      expect(await outputOf(`${url}/config.json?download=true`)).to.deep.equal(exact);
    });

    it('that does not tell lengths', async () => {
      answer = (file, _request, response) => {
        response.writeHead(200);
        response.write(file.subarray(0, 9));
        response.end(file.subarray(9));
      };
      expect(await outputOf(url)).to.deep.equal(exact);
    });

    it('that packs text', async () => {
      answer = (file, request, response) => {
        if (file.length > 20_000) return ranged(file, request, response);
        const packed = gzipSync(file);
        response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length });
        response.end(packed);
      };
      expect(await outputOf(url)).to.deep.equal(exact);
    });

    it('whose connection breaks: the rest is asked for', async () => {
      let broken = 0;
      answer = (file, request, response) => {
        if (file.length < 20_000 || broken++ > 2) return ranged(file, request, response);
        const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? [];
        const begin = Number(from ?? 0);
        const range = `bytes ${begin}-${file.length - 1}/${file.length}`;
        const length = file.length - begin;
        response.writeHead(begin > 0 ? 206 : 200, {
          'content-length': length,
          ...(begin > 0 && { 'content-range': range }),
        });
        response.write(file.subarray(begin, begin + 15_000), () => response.destroy());
      };
      expect(await outputOf(url)).to.deep.equal(exact);
      expect(broken).to.be.above(2);
    });

    it('whose files end early, or that refuses: a typed error', async () => {
      answer = (file, _request, response) => {
        if (file.length < 20_000) return whole(file, {} as IncomingMessage, response);
        response.writeHead(200).end(file.subarray(0, 40_000));
      };
      const cut = await rejection(loadCheckpoint(url, PUBLISHED[NAME]));
      expect(cut).to.be.instanceOf(CheckpointError);
      expect((cut as CheckpointError).message).to.include('ends within');
      answer = (_file, _request, response) => response.writeHead(401).end();
      const error = await rejection(loadCheckpoint(url, PUBLISHED[NAME]));
      expect(error).to.be.instanceOf(CheckpointError);
      expect((error as Error).message).to.match(/answered 401 Unauthorized\. What needs a login/);
    });
  });
});

/**
 * Run as a child process by children.ts, in a throw-away copy of the tfjs-node package. Lets the
 * package's own install script work out the address that it downloads from (it depends on the
 * platform, environment variables and custom-binary.json), and asks there with a HEAD request,
 * through the proxy that the script would use, instead of downloading.
 */
import { request as httpRequest } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ANSWER_MARK } from './answer.js';

const PROBE_MS = 10_000;

interface Resources {
  downloadAndUnpackResource: (uri: string) => void;
}

const scripts = join(process.cwd(), 'scripts');
const require = createRequire(join(scripts, 'install.js'));

function proxyAgent(): Agent | undefined {
  const { HTTPS_PROXY, https_proxy, HTTP_PROXY, http_proxy } = process.env;
  const proxy = HTTPS_PROXY || https_proxy || HTTP_PROXY || http_proxy;
  if (!proxy) return undefined;
  const HttpsProxyAgent = require('https-proxy-agent') as new (proxy: string) => Agent;
  return new HttpsProxyAgent(proxy);
}

function fail(uri: string, reason: string): void {
  console.error(`Error: cannot download ${uri}: ${reason}`);
  process.exit(1);
}

function ask(uri: string): void {
  const send = uri.startsWith('https') ? httpsRequest : httpRequest;
  const agent = proxyAgent();
  const signal = AbortSignal.timeout(PROBE_MS);
  send(uri, { method: 'HEAD', signal, ...(agent && { agent }) }, ({ statusCode = 0 }) => {
    // The install script does not follow redirects, so one would not help it.
    if (statusCode !== 200) fail(uri, `HTTP status ${statusCode}`);
    console.log(`${ANSWER_MARK}${uri}`);
    process.exit(0);
  })
    .on('error', (error) => {
      fail(uri, signal.aborted ? `no answer within ${PROBE_MS / 1000} s` : error.message);
    })
    .end();
}

const resources = require('./resources.js') as Resources;
resources.downloadAndUnpackResource = ask;
require('./install.js');

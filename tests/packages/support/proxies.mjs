// The proxies of Debian, each with its example from ops/proxies: what an operator would change in
// it is changed here as well (ports, certificate, the idle timeout), and nothing else.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { selfSigned } from '../../blackbox/support/certificates.mjs';
import { eventually, withDeadline } from '../../blackbox/support/deadline.mjs';
import { freePort, freshLoopback } from '../../blackbox/support/entrance.mjs';

const certificate = await selfSigned('localhost');
export const secure = { ...certificate.secure, servername: 'localhost' };

const example = (name) =>
  readFileSync(fileURLToPath(new URL(`../../../ops/proxies/${name}`, import.meta.url)), 'utf8');

const documents = readFileSync(fileURLToPath(new URL('../../../docs/proxies.md', import.meta.url)), 'utf8');

/** What docs/proxies.md has an operator put into the example of a relay that is below a path. */
const below = (language) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(documents)[1];

/** The replacements that put it there, if it is wanted. */
const belowPath = (isBelow, language, from, to = below(language)) => (isBelow ? [[from, to]] : []);
const privateBelowPath = (isBelow) =>
  isBelow ? [['/metrics', '/relay/metrics'], ['/stats', '/relay/stats']] : [];

/** Replaces all of these; each must be there, or the example is not what the test believes. */
function edited(text, replacements) {
  return replacements.reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`The example has no ${from}`);
    return result.replaceAll(from, to);
  }, text);
}

function isListening({ host, port }) {
  return new Promise((resolve) => {
    const socket = net.connect(port, host);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.end());
  });
}

/** A running proxy: `port` speaks TLS, `plainPort` redirects there, if it understands HTTP. */
class Proxy {
  output = '';

  constructor(folder, host, ports) {
    this.folder = folder;
    this.host = host;
    [this.port, this.plainPort] = ports;
  }

  get address() {
    return `${this.host}:${this.port}`;
  }

  get plainAddress() {
    return `${this.host}:${this.plainPort}`;
  }

  async start(command, reloadSignal = 'SIGHUP') {
    this.reload = async () => this.process.kill(reloadSignal);
    this.process = spawn(command[0], command.slice(1), {
      env: { ...process.env, HOME: this.folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream.on('data', (bytes) => (this.output += bytes));
    this.kill = () => {
      // A master that is killed in another way leaves its workers behind.
      this.process.kill('SIGTERM');
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 }); // it may write in it until it has ended
    };
    process.once('exit', this.kill);
    this.ended = once(this.process, 'close');
    this.ended.catch(() => {});
    const failed = this.ended.then(() => {
      throw new Error(`${command.join(' ')} ended: ${this.output}`);
    });
    const ready = eventually(() => isListening(this), `${command[0]} listens`);
    await Promise.race([ready, failed]);
  }

  async stop() {
    this.kill();
    await withDeadline(this.ended, 'The end of the proxy');
    process.off('exit', this.kill);
  }

  /** Writes a file into its folder and returns the path. */
  write(name, text) {
    const file = path.join(this.folder, name);
    writeFileSync(file, text);
    return file;
  }
}

async function newProxy() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'party-proxy-'));
  const host = freshLoopback();
  return new Proxy(folder, host, [await freePort(host), await freePort(host)]);
}

async function startNginx({ relayPort, idle = '60s', isBelow }) {
  const proxy = await newProxy();
  const site = proxy.write(
    'site.conf',
    edited(example('nginx.conf'), [
      ['    listen [::]:80;\n', ''],
      ['    listen [::]:443 ssl;\n', ''],
      ['listen 80;', `listen ${proxy.plainAddress};`],
      ['listen 443 ssl;', `listen ${proxy.address} ssl;`],
      ['/etc/letsencrypt/live/relay.example.com/fullchain.pem', certificate.certificate],
      ['/etc/letsencrypt/live/relay.example.com/privkey.pem', certificate.key],
      ...privateBelowPath(isBelow),
      ...belowPath(isBelow, 'nginx', '    location / {\n        proxy_pass http://127.0.0.1:3000;\n'),
      ['127.0.0.1:3000', `127.0.0.1:${relayPort}`],
      ['proxy_read_timeout 60s;', `proxy_read_timeout ${idle};`],
    ]),
  );
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${proxy.folder}/${kind};`,
  );
  const main = proxy.write(
    'nginx.conf',
    `${process.getuid() === 0 ? 'user root;' : ''}
    worker_processes 1;
    daemon off;
    pid ${proxy.folder}/pid;
    error_log stderr notice;
    events { worker_connections 512; }
    http { access_log off; ${temporary.join(' ')} include ${site}; }`,
  );
  await proxy.start(['/usr/sbin/nginx', '-c', main, '-e', 'stderr']);
  return proxy;
}

async function startCaddy({ relayPort, idle, isBelow }) {
  const proxy = await newProxy();
  const admin = `unix/${proxy.folder}/admin`;
  const timeouts = idle ? `servers {\ntimeouts {\nidle ${idle}\nread_body ${idle}\n}\n}\n` : '';
  const text = edited(example('Caddyfile'), [
    [
      '\nrelay.example.com {\n',
      `\n{
        admin ${admin}
        http_port ${proxy.plainPort}
        https_port ${proxy.port}
        default_bind ${proxy.host}
        skip_install_trust
        storage file_system ${proxy.folder}
        ${timeouts}
      }
      localhost, ${proxy.host} {
        tls ${certificate.certificate} ${certificate.key}\n`,
    ],
    ...belowPath(isBelow, 'caddy', '\trespond @private 404\n\n\treverse_proxy 127.0.0.1:3000\n'),
    ['127.0.0.1:3000', `127.0.0.1:${relayPort}`],
  ]);
  const file = proxy.write('Caddyfile', text);
  const config = ['--adapter', 'caddyfile', '--config', file];
  await proxy.start(['/usr/bin/caddy', 'run', ...config]);
  let reloads = 0;
  proxy.reload = async () => {
    proxy.write('Caddyfile', text.replace('404', String(410 + reloads++))); // else it does nothing
    await promisify(execFile)('/usr/bin/caddy', ['reload', ...config, '--address', admin]);
  };
  return proxy;
}

/** The certificate and its key in one file. */
function writeBundle(folder) {
  const both = ['certificate', 'key'].map((part) => readFileSync(certificate[part]));
  const bundle = path.join(folder, 'bundle.pem');
  writeFileSync(bundle, Buffer.concat(both));
  return bundle;
}

/**
 * Whether the programs take the examples to the letter, but for the certificate; nginx would open
 * the ports for that. What they say against it is in the error.
 */
export async function checkExamples() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'party-proxy-'));
  const bundle = writeBundle(folder);
  const commands = {
    Caddyfile: ['/usr/bin/caddy', 'adapt', '--adapter', 'caddyfile', '--config'],
    'haproxy.cfg': ['/usr/sbin/haproxy', '-c', '-dW', '-f'],
    'haproxy-tcp.cfg': ['/usr/sbin/haproxy', '-c', '-dW', '-f'],
  };
  for (const [name, [program, ...parameters]] of Object.entries(commands)) {
    const file = path.join(folder, name);
    writeFileSync(file, example(name).replace('/etc/haproxy/relay.example.com.pem', bundle));
    await promisify(execFile)(program, [...parameters, file]);
  }
  rmSync(folder, { recursive: true });
}

/** As systemd starts it, a master that starts workers. */
async function startHaproxy(proxy, name, replacements) {
  const file = proxy.write(
    'haproxy.cfg',
    edited(example(name), [
      ['    log /dev/log local0 notice\n', ''],
      ['    log global\n', ''],
      ['    user haproxy\n', ''],
      ['    group haproxy\n', ''],
      ['maxconn 20000', 'maxconn 200'],
      ...replacements,
    ]),
  );
  await proxy.start(['/usr/sbin/haproxy', '-W', '-f', file], 'SIGUSR2');
  return proxy;
}

async function startHaproxyHttp({ relayPort, idle = '60s', isBelow }) {
  const proxy = await newProxy();
  return startHaproxy(proxy, 'haproxy.cfg', [
    ['bind :80,:::80 v6only', `bind ${proxy.plainAddress}`],
    ['bind :443,:::443 v6only', `bind ${proxy.address}`],
    ['/etc/haproxy/relay.example.com.pem', writeBundle(proxy.folder)],
    ...privateBelowPath(isBelow),
    ...belowPath(isBelow, 'haproxy', '    default_backend relay\n', `${below('haproxy')}    default_backend relay\n`),
    ['127.0.0.1:3000', `127.0.0.1:${relayPort}`],
    ['timeout tunnel 60s', `timeout tunnel ${idle}`],
  ]);
}

async function startHaproxyTcp({ relayPort, idle = '60s' }) {
  const proxy = await newProxy();
  return startHaproxy(proxy, 'haproxy-tcp.cfg', [
    ['bind :443,:::443 v6only', `bind ${proxy.address}`],
    ['127.0.0.1:3000', `127.0.0.1:${relayPort}`],
    ['timeout client 60s', `timeout client ${idle}`],
    ['timeout server 60s', `timeout server ${idle}`],
  ]);
}

/**
 * What differs: whether it cuts what is silent, whether a reload keeps WebSockets, and whether it
 * understands HTTP. `relayOptions` are those of a relay behind it.
 */
export const proxies = {
  Caddy: { start: startCaddy, isIdleCut: false, isKeptByReload: false, isHttp: true },
  nginx: { start: startNginx, isIdleCut: true, isKeptByReload: true, isHttp: true },
  HAProxy: { start: startHaproxyHttp, isIdleCut: true, isKeptByReload: true, isHttp: true },
  'HAProxy, TCP': {
    start: startHaproxyTcp,
    isIdleCut: true,
    isKeptByReload: true,
    isHttp: false,
    relayOptions: certificate.options,
  },
};

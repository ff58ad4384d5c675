// The files in ops/cluster: what can be checked of them without a container engine, systemd or Kubernetes. Nodes and
// nats-servers run with what they say.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { folder as certificates, openssl } from '../blackbox/support/certificates.mjs';
import { canCreate, haveShares, party, talk } from '../blackbox/support/cluster.mjs';
import { eventually } from '../blackbox/support/deadline.mjs';
import { lacksNats, Nats, NatsCluster } from '../blackbox/support/nats.mjs';
import { binary, runToEnd, Server } from '../blackbox/support/server.mjs';
import { imageInstruction, repository } from './support/dockerfile.mjs';

const run = promisify(execFile);
const examples = path.join(repository, 'ops/cluster');
const read = (name) => readFileSync(path.join(examples, name), 'utf8');
const folder = mkdtempSync(path.join(os.tmpdir(), 'party-examples-'));
after(() => rmSync(folder, { recursive: true }));

/** All documents of a YAML file. */
async function yaml(name) {
  const program = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))';
  const { stdout } = await run('python3', ['-c', program, path.join(examples, name)]);
  return JSON.parse(stdout);
}

const { stdout: help } = await runToEnd(['--help']);
const variables = help.match(/(?<=environment: ).*$/gm).flatMap((names) => names.split(' or '));
const [, drainSeconds] = /--drain-timeout .*\((\d+)s\)/.exec(help);
/** After SIGTERM: the drain, and 2 s in which everybody is closed. */
const stopSeconds = Number(drainSeconds) + 2;

/** Nodes with these variables, each beside those of the image, have rooms with members at all. */
async function play(environments) {
  const servers = [];
  try {
    for (const environment of environments) {
      const server = new Server({ environment });
      servers.push(server);
      await server.start();
      await eventually(canCreate(server), 'A room', 3);
    }
    await eventually(() => haveShares(...servers), 'As many slices at each node', 3); // no room moves any more
    for (const protocol of [1, 2, 3]) await talk(await party(protocol, [...servers, ...servers]));
    for (const server of servers) await server.disconnectAll();
    for (const server of servers.reverse()) await server.stop();
  } finally {
    for (const server of servers) server.kill();
  }
}

/** The variables of the image, which an example may have to undo. */
const ofImage = Object.fromEntries([imageInstruction('ENV').split('=')]);

describe('compose.yaml', () => {
  let services;
  let network;
  before(async () => {
    const [file] = await yaml('compose.yaml');
    services = file.services;
    network = file.networks.cluster.ipam.config[0].subnet;
  });
  const nodes = () => ['node-a', 'node-b'].map((name) => services[name]);
  const address = (service) => service.networks.cluster.ipv4_address;

  it('has nodes with options that exist, of this Dockerfile, that may end their drain', () => {
    for (const node of nodes()) {
      for (const name of Object.keys(node.environment)) assert.ok(variables.includes(name), name);
      assert.ok(existsSync(path.join(examples, node.build, 'Dockerfile')));
      assert.ok(parseInt(node.stop_grace_period) > stopSeconds);
      assert.equal(node.environment.TRUST_PROXY, address(services.haproxy));
      assert.ok(address(node).startsWith(network.split('.').slice(0, 3).join('.')));
    }
  });

  it("has HAProxy with this folder's configuration and the nodes' addresses", async () => {
    const { environment, volumes, ports } = services.haproxy;
    const port = imageInstruction('EXPOSE');
    assert.deepEqual([environment.NODE_A, environment.NODE_B], nodes().map((node) => `${address(node)}:${port}`));
    const [file] = volumes[0].split(':');
    const { stdout } = await run('/usr/sbin/haproxy', ['-c', '-dW', '-f', path.join(examples, file)], { env: environment });
    assert.match(stdout, /valid/);
    assert.equal(`:${ports[0].split(':')[1]}`, environment.BIND);
  });

  it('names the versions that the tests run, and options of nats-server that exist', { skip: lacksNats }, async () => {
    const haproxy = await run('/usr/sbin/haproxy', ['-v']);
    assert.match(haproxy.stdout, new RegExp(`version ${services.haproxy.image.split(':')[1]}\\.`));
    const nats = await run('/usr/sbin/nats-server', ['--version']);
    assert.match(nats.stdout, new RegExp(`v${services.nats.image.split(':')[1]}\\.`));
    const options = (await run('/usr/sbin/nats-server', ['--help'])).stdout;
    for (const option of services.nats.command.filter((word) => word.startsWith('-')))
      assert.match(options, new RegExp(` ${option}[, ]`));
  });

  it('has variables with which nodes play together', { skip: lacksNats }, async () => {
    const nats = new Nats();
    await nats.start();
    const environments = nodes().map(({ environment }) => ({ ...ofImage, ...environment, CLUSTER: nats.url }));
    await play(environments).finally(() => nats.remove());
  });
});

describe('kubernetes.yaml', () => {
  let documents;
  let pod;
  let container;
  const named = (kind) => documents.find((one) => one.kind === kind);
  before(async () => {
    documents = await yaml('kubernetes.yaml');
    pod = named('Deployment').spec.template;
    [container] = pod.spec.containers;
  });

  it('has options that exist, and a name for each node that is not too long', () => {
    for (const { name } of container.env) assert.ok(variables.includes(name), name);
    const { valueFrom } = container.env.find(({ name }) => name === 'NODE_NAME');
    assert.equal(valueFrom.fieldRef.fieldPath, 'metadata.name');
    assert.ok(`${named('Deployment').metadata.name}-1234567890-12345`.length <= 32);
  });

  it('asks what the relay answers, where it listens', async () => {
    const server = await Server.start();
    for (const probe of [container.readinessProbe, container.livenessProbe]) {
      assert.equal((await server.get(probe.httpGet.path)).status, 200);
      assert.equal(probe.httpGet.port, container.ports[0].name);
    }
    await server.stop();
    assert.equal(container.readinessProbe.httpGet.path, '/ready');
    assert.equal(container.ports[0].containerPort, Number(imageInstruction('EXPOSE')));
    assert.equal(named('Service').spec.ports[0].targetPort, container.ports[0].name);
  });

  it('lets a drain end, and runs as the user of the image', () => {
    assert.ok(pod.spec.terminationGracePeriodSeconds > container.lifecycle.preStop.sleep.seconds + stopSeconds);
    assert.equal(container.securityContext.runAsUser, Number(imageInstruction('USER').split(':')[0]));
  });

  it('selects the pods that it makes', () => {
    const { labels } = pod.metadata;
    for (const kind of ['Deployment', 'PodDisruptionBudget'])
      assert.deepEqual(named(kind).spec.selector.matchLabels, labels);
    assert.deepEqual(named('Service').spec.selector, labels);
  });

  it("has NATS' servers as many as the nodes want copies, and their password in its secret", async () => {
    const [values] = await yaml('nats-values.yaml');
    const { value } = container.env.find(({ name }) => name === 'NATS_REPLICAS');
    assert.equal(values.config.cluster.replicas, Number(value));
    const { user, password } = values.config.merge.authorization;
    const secret = container.env.find(({ name }) => name === 'CLUSTER').valueFrom.secretKeyRef;
    const [, made, key, url] = /secret generic (\S+) \\\n# +--from-literal=(\w+)=(\S+)$/m.exec(read('kubernetes.yaml'));
    assert.deepEqual([secret.name, secret.key], [made, key]);
    assert.ok(url.startsWith(`nats://${user}:${password}@`));
  });
});

describe('The units of a node and of nats-server', () => {
  /** A unit with a drop-in; what systemd has against them. */
  async function verify(name, unit, dropIn) {
    const place = mkdtempSync(path.join(folder, 'units-'));
    writeFileSync(path.join(place, name), unit);
    mkdirSync(path.join(place, `${name}.d`));
    writeFileSync(path.join(place, `${name}.d/cluster.conf`), dropIn);
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', path.join(place, name)]);
    return stdout + stderr;
  }
  const relay = readFileSync(path.join(repository, 'ops/systemd/party-sockets.service.in'), 'utf8')
    .replace('@bindir@/party-sockets', binary);

  it('are understood by systemd with what the examples add', { skip: lacksNats }, async () => {
    const nats = readFileSync('/lib/systemd/system/nats-server.service', 'utf8');
    const added = read('party-sockets-cluster.conf');
    assert.equal(await verify('party-sockets.service', relay, added), '');
    assert.equal(await verify('nats-server.service', nats, read('nats-server-override.conf')), '');
    const wrong = added.replace('LoadCredential=', 'LoadCredentials=');
    assert.match(await verify('party-sockets.service', relay, wrong), /Unknown key 'LoadCredentials'/);
  });

  it('take away the state directory that the unit has, and that a node can not have', () => {
    const [, variable] = /^UnsetEnvironment=(.*)$/m.exec(read('party-sockets-cluster.conf'));
    assert.match(help, new RegExp(`--state-dir .*environment: .*\\b${variable}\\b`));
    assert.match(relay, /^StateDirectory=/m);
  });
});

describe('nats-server.conf', { skip: lacksNats }, () => {
  const text = read('nats-server.conf');
  const inUnit = read('party-sockets-cluster.conf');
  /** What the unit's comment has the operator write into the file of variables. */
  const ofUnit = Object.fromEntries(Array.from(inUnit.matchAll(/^# {5}([A-Z_]+)=(.*)$/gm), ([, ...pair]) => pair));
  const certificate = (ending) => path.join(certificates, `three.${ending}`);
  let nats;

  /** The example of the server with this index, at other places. */
  function edited(index, places) {
    const edits = [
      ['server_name: nats-1', `server_name: n${index}`],
      ['listen: "0.0.0.0:6222"', `listen: "${places[index]}"`],
      ...places.map((place, at) => [`@nats-${at + 1}:6222`, `@${place}`]),
      ...['server.pem', 'server.pem', 'ca.pem'].map((name) => [`/etc/nats/${name}`, certificate('pem')]),
      ...['key', 'key'].map(() => ['/etc/nats/server.key', certificate('key')]),
      ['store_dir: "/var/lib/nats"\n', `store_dir: "${folder}/nats-${index}"\n`],
    ];
    return edits.reduce((result, [from, to]) => {
      assert.ok(result.includes(from), from);
      return result.replace(from, to);
    }, text);
  }

  before(async () => {
    nats = new NatsCluster({ describe: edited });
    const names = nats.hosts.map((host) => `IP:${host}`).join();
    await openssl(
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', '/CN=three', '-addext', `subjectAltName=${names}`],
      ...['-keyout', 'three.key', '-out', 'three.pem'],
    );
    await nats.start();
  });
  after(() => nats.remove());

  it('is taken to the letter by nats-server, but for the certificates', async () => {
    const file = path.join(folder, 'nats.conf');
    copyFileSync(path.join(examples, 'nats-server.conf'), file);
    const found = await run('/usr/sbin/nats-server', ['-t', '-c', file]).catch((error) => error);
    assert.match(found.stderr, /error parsing X509 certificate/);
    writeFileSync(file, text.replaceAll(/\/etc\/nats\/\w+\.pem/g, certificate('pem')).replaceAll('/etc/nats/server.key', certificate('key')));
    assert.match((await run('/usr/sbin/nats-server', ['-t', '-c', file])).stderr, /configuration file .* is valid/);
  });

  it('makes three servers to which the nodes of the unit and of Kubernetes belong', async () => {
    const [deployment] = await yaml('kubernetes.yaml');
    const [{ env }] = deployment.spec.template.spec.containers;
    const ofPod = Object.fromEntries(env.filter(({ value }) => value !== undefined).map(({ name, value }) => [name, value]));
    const urls = nats.servers.reduce((url, { port }, index) => url.replace(`@nats-${index + 1}:4222`, `@${nats.hosts[index]}:${port}`), ofUnit.CLUSTER);
    const common = { CLUSTER: urls, NATS_CA: certificate('pem') };
    await play([
      { ...ofUnit, ...common },
      { ...ofImage, ...ofPod, ...common, NODE_NAME: 'relay-1234567890-12345' },
    ]);
    assert.equal((await nats.stream('-map')).config.num_replicas, 3);
  });
});

describe('docs/cluster.md', () => {
  it('names options that exist, and each file of ops/cluster', () => {
    const text = readFileSync(path.join(repository, 'docs/cluster.md'), 'utf8');
    for (const [, option] of text.matchAll(/`(--[a-z-]+)/g)) assert.ok(help.includes(`  ${option} `), option);
    for (const name of ['compose.yaml', 'haproxy-cluster.cfg', 'kubernetes.yaml', 'nats-server.conf',
      'nats-server-override.conf', 'nats-values.yaml', 'party-sockets-cluster.conf'])
      assert.ok(text.includes(`../ops/cluster/${name}`), name);
  });
});

// Who may join a cluster: NATS asks for a password or for credentials, proves by a certificate who it is, and must
// take messages that are long enough.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { folder, selfSigned, signedByAnother } from './support/certificates.mjs';
import { canCreate, haveShares, isReady, party, talk } from './support/cluster.mjs';
import { eventually } from './support/deadline.mjs';
import { lacksNats, Nats } from './support/nats.mjs';
import { makeOperator } from './support/nats_credentials.mjs';
import { runToEnd, Server } from './support/server.mjs';
import { loopCounts } from './support/suite.mjs';
import { describe, it } from './support/testing.mjs';

/** A node tries for 10 s, in case NATS is about to start. */
const REFUSAL = 3;

const write = (name, text) => {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
};

/** What there is to test: `{ subject, nats, joined, refused }`, see `addCluster`. */
const clusters = [];

/**
 * A nats-server with this configuration. `joined` are titles and nodes that play there, `refused` those that end,
 * each with what they say.
 */
function addCluster(subject, configuration, { joined = [], refused = [] }) {
  clusters.push({ subject, nats: new Nats({ configuration }), joined, refused });
}

/** The environment of a node: the variable keeps a password out of the list of processes. */
function settings(nats, { user, scheme, variables = {} }) {
  const url = user ? nats.urlOf(...user) : nats.url;
  return { CLUSTER: scheme ? url.replace('nats:', scheme) : url, ...variables };
}

/** Two nodes with this environment have rooms with members at both, and stop well. */
async function play(loops, environment) {
  const servers = [];
  try {
    for (const name of ['a', 'b']) {
      const server = new Server({ loops, options: ['--node-name', name], environment });
      servers.push(server);
      await server.start();
      await eventually(isReady(server), `Codes for rooms at ${name}`, 2);
      await eventually(canCreate(server), `A room at ${name}`, 2);
    }
    await eventually(() => haveShares(...servers), 'Half of all slices at each node', 3); // no room moves any more
    for (const protocol of [1, 2, 3]) await talk(await party(protocol, [...servers, ...servers]));
    for (const server of servers) await server.disconnectAll();
    for (const server of servers.reverse()) await server.stop();
  } finally {
    for (const server of servers) server.kill();
  }
}

const violation = /no connection to NATS: Authentication Violation \(Authorization Violation\)/;

addCluster('NATS with a user and a password', 'authorization { user: relay, password: "s3cret" }', {
  joined: [['know it', { user: ['relay', 's3cret'] }]],
  refused: [
    ['a wrong one, which is not printed', { user: ['relay', 'guessed'] }, violation],
    ['none', {}, violation],
  ],
});

const operator = makeOperator();
const inFile = (name, text) => ({ variables: { NATS_CREDS: write(name, text) } });

addCluster('NATS with credentials in a file', operator.configuration, {
  joined: [['have a file of its operator', inFile('user.creds', operator.credentials())]],
  refused: [
    ["a file of another operator's", inFile('wrong.creds', makeOperator().credentials()), violation],
    ['none', {}, violation],
    [
      'a file that is not there, which is named',
      { variables: { NATS_CREDS: '/nowhere.creds' } },
      /error opening file '\/nowhere\.creds': No such file/,
    ],
    ['a file without a key, which is named', inFile('empty.creds', 'nothing\n'), /no nkey user seed found in '.*empty\.creds'/],
  ],
});

const certificate = await signedByAnother('nats');
const stranger = await selfSigned('stranger');
/** A slow machine needs more than the 2 s that a handshake has unless this says so. */
const tls = ({ certificate: file, key }) => `tls { cert_file: "${file}", key_file: "${key}", timeout: 20 }`;
const authority = path.join(folder, 'nats-root.pem');
const unknownIssuer = /SSL handshake error: 20:unable to get local issuer certificate/;

addCluster('NATS that speaks TLS', tls(certificate), {
  joined: [['know its authority', { variables: { NATS_CA: authority } }]],
  refused: [
    ['another authority', { variables: { NATS_CA: stranger.certificate } }, unknownIssuer],
    ['the authorities of the machine', { scheme: 'tls:' }, unknownIssuer],
    [
      'an authority that is not there, which is named',
      { variables: { NATS_CA: '/nowhere.pem' } },
      /trusted certificates '\/nowhere\.pem'/,
    ],
  ],
});

addCluster('NATS without TLS', '', {
  refused: [
    ['a node that asks for TLS', { variables: { NATS_CA: authority } }, /Secure Connection not available/],
  ],
});

addCluster('NATS that takes 256 KiB at a time', 'max_payload: 262144', {
  refused: [['whose records may be longer', {}, /NATS takes messages of 262144 bytes at most, and 528384 are needed \(max_payload\)/]],
});

addCluster('NATS that takes as much as records need', 'max_payload: 528384', { joined: [['need no more', {}]] });

describe('A node of a cluster', { skip: lacksNats }, () => {
  before(() => Promise.all(clusters.map(({ nats }) => nats.start())));
  after(() => Promise.all(clusters.map(({ nats }) => nats.remove())));

  for (const { subject, nats, joined } of clusters) {
    for (const [title, node] of joined) {
      for (const loops of loopCounts) {
        it(`${subject}: nodes play together that ${title}, with --loops ${loops}`, () =>
          play(loops, { ...settings(nats, node), CLUSTER_NAME: `loops-${loops}` }));
      }
    }
  }

  // All at once, since each takes ten seconds.
  describe('is refused', { concurrency: true }, () => {
    for (const { subject, nats, refused } of clusters) {
      for (const [title, node, line] of refused) {
        it(`${subject}: ${title}`, async () => {
          const environment = settings(nats, node);
          const { status, stderr } = await runToEnd(['--port', 0], environment, REFUSAL);
          assert.equal(status, 1, stderr);
          assert.match(stderr, line);
          assert.match(stderr, /^party-sockets: --cluster: [^\n]*\n$/, 'One line');
          const secret = node.user?.[1] ?? environment.CLUSTER;
          assert.ok(!stderr.includes(secret), 'Nothing of the URL, which may have a password');
        });
      }
    }
  });
});

// Certificates for tests, made by the `openssl` command line in a folder that goes with the
// process.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export const folder = mkdtempSync(path.join(os.tmpdir(), 'party-sockets-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

const names = 'subjectAltName=IP:127.0.0.1,DNS:localhost';
const newKey = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['-newkey', 'rsa:2048'],
  'rsa:4096': ['-newkey', 'rsa:4096'],
};

export function openssl(...parameters) {
  return promisify(execFile)('openssl', parameters, { cwd: folder });
}

/** What a server and its clients need of a certificate whose files have this name. */
function described(name, authority = `${name}.pem`) {
  const file = (ending) => path.join(folder, `${name}.${ending}`);
  return {
    name,
    certificate: file('pem'),
    key: file('key'),
    options: ['--tls-cert', file('pem'), '--tls-key', file('key')],
    /** TLS options of clients that trust it. */
    secure: { ca: readFileSync(path.join(folder, authority)) },
  };
}

/** A certificate that is its own authority. `key` is `ec`, `rsa` or `rsa:4096`. */
export async function selfSigned(name, key = 'ec', ...parameters) {
  await openssl(
    ...['req', '-x509', ...newKey[key], '-nodes', '-days', '2', '-subj', `/CN=${name}`],
    ...['-addext', names, '-keyout', `${name}.key`, '-out', `${name}.pem`, ...parameters],
  );
  return described(name);
}

/** A certificate of another's authority: its file is the chain, clients know the root alone. */
export async function signedByAnother(name) {
  const root = await selfSigned(`${name}-root`);
  const between = `${name}-between`;
  const extensions = path.join(folder, `${name}.extensions`);
  writeFileSync(extensions, `[between]\nbasicConstraints=CA:TRUE\n[leaf]\n${names}\n`);

  const sign = async (subject, authority, section) => {
    await openssl(
      ...['req', ...newKey.ec, '-nodes', '-subj', `/CN=${subject}`],
      ...['-keyout', `${subject}.key`, '-out', `${subject}.request`],
    );
    await openssl(
      ...['x509', '-req', '-in', `${subject}.request`, '-days', '2', '-CAcreateserial'],
      ...['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-out', `${subject}.pem`],
      ...['-extfile', extensions, '-extensions', section],
    );
  };
  await sign(between, root.name, 'between');
  await sign(name, between, 'leaf');
  const chain = [name, between].map((one) => readFileSync(path.join(folder, `${one}.pem`)));
  writeFileSync(path.join(folder, `${name}.pem`), Buffer.concat(chain));
  return described(name, `${root.name}.pem`);
}

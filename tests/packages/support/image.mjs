// Runs what the image would hold, as the Dockerfile says, in a root that has nothing else: not even
// what a container engine adds to that (/proc, /dev, /etc/hosts).

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { imageInstruction, imageStage, repository } from './dockerfile.mjs';

export const [user, group] = imageInstruction('USER').split(':');
export const [entry] = JSON.parse(imageInstruction('ENTRYPOINT'));
const [, health] = /CMD (\[.*\])$/.exec(imageInstruction('HEALTHCHECK'));

/** The folder in the build stage whose contents are all that the image holds. */
const copies = imageStage.filter(({ name }) => name === 'COPY').map(({ rest }) => rest.split(' '));
export const [built, copied] = copies[0].slice(1);

/** What is copied beside it, and where rooms are kept. */
export const stateCopy = copies[1];
export const stateFolder = imageInstruction('VOLUME');

const imageRoot = path.join(repository, 'scripts/image-root');

/** Makes `root` the image of this binary, as the Dockerfile does. */
export const makeRoot = (root, binary) => promisify(execFile)(imageRoot, [binary, root]);

/** Who is not root needs a namespace for that. */
const enter = (root) =>
  process.getuid() === 0
    ? ['chroot', `--userspec=${user}:${group}`, '--groups=', root]
    : ['unshare', '--user', `--map-user=${user}`, `--map-group=${group}`, `--root=${root}`];

/** A launcher for `Server` that starts the image's entry point instead of its binary. */
export const launcher = (root, ...before) => {
  const command = [...before, ...enter(root), entry];
  return ['sh', '-c', `shift; exec ${command.join(' ')} "$@"`, 'sh'];
};

/** Runs the image's health check: `{ status, stderr }`. */
export function checkHealth(root, environment) {
  const [program, ...parameters] = [...enter(root), ...JSON.parse(health)];
  const env = { ...process.env, ...environment };
  return new Promise((resolve) => {
    execFile(program, parameters, { env }, (error, _, stderr) =>
      resolve({ status: error?.code ?? 0, stderr }),
    );
  });
}

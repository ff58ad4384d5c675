// What is different where the server under test has several nodes (NODES_UNDER_TEST), by file: names of
// groups or tests, and what holds for them there.

/** All that a file has. */
const ALL = /(?:)/;

const ITSELF = 'it starts clusters itself';
const NO_UPGRADE = 'a node is not upgraded';
const NO_STATE = '--cluster refuses --state-dir';
const GENERATOR = 'it tests the load generator';
const ONE_PROCESS = 'it starts and looks at one process';
const OWN_DEBT = 'a debt stays at the node of the connection, and the seat is at another one';
const NO_SHARES = 'what comes from another node has no shares of a turn';
const FEW_CODES = 'a loop has some codes that were reserved before, and no more at once';
const MORE_ROOMS = 'codes are drawn before they are needed, for some more rooms';
const NO_ANSWER = 'the edge closes before the home has answered';

/** Left out: why it means nothing on a cluster, or what is known to be different there. */
export const leftOut = {
  bench: [[ALL, GENERATOR]],
  bench_tls: [[ALL, GENERATOR]],
  cluster: [[ALL, ITSELF]],
  cluster_nats: [[ALL, ITSELF]],
  cluster_secrets: [[ALL, ITSELF]],
  frames: [[/^Answers that were due before the close frame/, NO_ANSWER]],
  handover: [[ALL, NO_UPGRADE]],
  metrics_dashboard: [[ALL, NO_STATE]],
  options: [[ALL, ONE_PROCESS]],
  records: [[ALL, NO_STATE]],
  restart_tls: [[ALL, NO_STATE]],
  sandbox: [[ALL, ONE_PROCESS]],
  seats: [
    [/^is 5 in the first room/, MORE_ROOMS],
    [/^of one address are at most 256/, FEW_CODES],
  ],
  senders: [
    [/takes the seat over$/, OWN_DEBT],
    [/^are counted in/, NO_SHARES],
  ],
  upgrade: [[ALL, NO_UPGRADE]],
  upgrade_tls: [[ALL, NO_UPGRADE]],
};

/**
 * Groups in which clients go to `one` node, whichever, since its limits or numbers are its own; or to the
 * `home` of all rooms, whose numbers tell of rooms, too, and which alone has to wait in a drain.
 */
export const notAtAll = {
  costs: [[ALL, 'one']],
  crowding: [[ALL, 'one']],
  entrance: [
    [/^A limit on rooms/, 'home'],
    [ALL, 'one'],
  ],
  front: [[ALL, 'home']],
  guessing: [[ALL, 'one']],
  health_check: [[ALL, 'home']],
  host: [[/^The grace/, 'home']],
  http: [[/^The status page/, 'home']],
  keeping: [[/^What rooms keep/, 'home']],
  lookup: [[/^Guessing codes/, 'one']],
  memory: [[ALL, 'home']],
  metrics: [[ALL, 'home']],
  metrics_origins: [[ALL, 'home']],
  proxies: [[ALL, 'one']],
  stats: [[ALL, 'home']],
  stopping: [[ALL, 'home']],
  tls: [[ALL, 'one']],
  vacancy: [[/^Empty rooms/, 'home']],
};

// The server under test: one process, or with NODES_UNDER_TEST=3 as many nodes of a cluster.

import { nodeCount } from './nodes.mjs';
import { OneServer } from './one_server.mjs';
import { Cluster } from './several_nodes.mjs';

export { binary, patience, runToEnd } from './one_server.mjs';

export const Server = nodeCount > 1 ? Cluster : OneServer;

/** How a server that stops closes its clients: another node would have them. */
export const stopping =
  nodeCount > 1
    ? { code: 1012, reason: 'server is restarting' }
    : { code: 1001, reason: 'server is stopping' };

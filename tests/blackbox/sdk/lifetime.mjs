// Uses everything, awaits and catches nothing that needs it not, and closes: `node lifetime.mjs ws URL
// URL`, or `own` for Node's own WebSocket. A promise that is rejected unseen, or the process going on, is
// a fault of the SDK.

import * as ws from 'ws';
import { Party } from '../../../client/party-sockets.js';
import { slowness } from '../support/deadline.mjs';
import { Storage } from './world.mjs';

const [kind, url, other] = process.argv.slice(2);
const WebSocket = kind === 'ws' ? ws.WebSocket : undefined;
const host = await Party.create(url, { WebSocket, storage: new Storage() });
const guest = await Party.join(other, host.room, { WebSocket, storage: new Storage() });
guest.on('error', () => {});
host.setState(1);
guest.broadcast(3);
guest.ping();
await host.ping();
host.ping();
await Party.join(other, 'nobody', { WebSocket }).catch(() => {});
guest.close();
guest.broadcast(4);
guest.ping();
host.close();

const begun = performance.now();
process.on('exit', () => {
  const milliseconds = performance.now() - begun;
  console.log(milliseconds < 2_000 * slowness ? 'closed' : `went on for ${milliseconds} ms`);
});

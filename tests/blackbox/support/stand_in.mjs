// A relay of a few lines, for what the real one never does: it loses messages, doubles them, stalls.
// It speaks protocols 1 to 3 as far as the load generator does, and its JSON has white space.

import { once } from 'node:events';
import { WebSocketServer } from 'ws';

const spaced = (event) => JSON.stringify(event, null, 1);

export class StandIn {
  #rooms = new Map();
  #server;
  #relayed = 0;
  #fault;
  confirmations = []; // in protocol 3, of all clients

  /** `fault(count, deliver)` is called for each delivery, the first one being 1, and may deliver. */
  constructor({ protocol = 1, fault = (_, deliver) => deliver() } = {}) {
    this.protocol = protocol;
    this.#fault = fault;
  }

  static async start(settings) {
    const standIn = new StandIn(settings);
    standIn.#server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      handleProtocols: (offered) => offered.values().next().value,
    });
    standIn.#server.on('connection', (socket) => standIn.#welcome(socket));
    await once(standIn.#server, 'listening');
    standIn.port = standIn.#server.address().port;
    return standIn;
  }

  stop() {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }

  #welcome(socket) {
    socket.on('message', (bytes) => this[JSON.parse(bytes).type]?.(socket, JSON.parse(bytes)));
    socket.on('close', () => {
      const members = socket.members ?? [];
      const place = members.indexOf(socket);
      if (place >= 0) members[place] = null;
    });
  }

  create(socket, { clientId }) {
    const room = `R${this.#rooms.size}`;
    this.#rooms.set(room, []);
    this.#enter(socket, clientId, room);
    socket.send(spaced({ room, type: 'created', instance: '', region: '', index: 0 }));
  }

  join(socket, { clientId, room }) {
    const members = this.#rooms.get(room);
    const joined = this.#announced(clientId, members.length);
    const event = spaced({ ...joined, type: 'peer_joined' });
    for (const member of members) if (member) this.#tell(member, event);
    this.#enter(socket, clientId, room);
    socket.send(spaced({ room, ...joined, type: 'joined', peers: [] }));
  }

  send(socket, { data, to }) {
    const { members } = socket;
    const from = this.protocol === 1 ? socket.clientId : members.indexOf(socket);
    const isNamed = (member, index) => to === (this.protocol === 1 ? member.clientId : index);
    for (const [index, member] of members.entries()) {
      if (member === null || (to === undefined ? member === socket : !isNamed(member, index))) {
        continue;
      }
      const text = spaced({ data, from, type: 'message' });
      this.#fault(++this.#relayed, () => this.#tell(member, text));
    }
  }

  /** Notes what the client has confirmed, and what it had been told when it confirmed last. */
  ping(socket, { seen }) {
    const { told, toldBefore = 0 } = socket;
    this.confirmations.push({ seen, told, toldBefore });
    socket.toldBefore = told;
    socket.send(spaced({ type: 'pong', heard: 0 }));
  }

  /** Sends an event that is counted. */
  #tell(socket, text) {
    socket.told++;
    socket.send(text);
  }

  #announced(clientId, index) {
    return this.protocol === 1 ? { clientId } : { index };
  }

  #enter(socket, clientId, room) {
    socket.clientId = clientId;
    socket.told = 0;
    socket.members = this.#rooms.get(room);
    socket.members.push(socket);
  }
}

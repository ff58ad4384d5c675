"""A client of protocol 3 in Python's standard library, with sockets and frames of its own.

It was written from docs/protocol.md alone, and loses nothing: it keeps what the relay has not confirmed, comes
back to its seat when a connection breaks, and counts.

    class Game:
        def begin(self, event): ...            # `created`, or a `joined` that is not recovered: the room as it is
        def back(self, event): ...             # a `joined` that is recovered: nothing was lost
        def event(self, event): ...            # any other event, as a dict
        def binary(self, sender, payload): ... # `sender` is an index, or None for one of the audience
        def gave_up(self, message): ...        # the relay can't take this message
        def over(self, why, reason): ...       # a close code, the code of an error, or 'left'

    member = Member(('localhost', 3000), Game(), maxClients=8)     # or room='HXLD', password=…, role='audience'
    task = asyncio.create_task(member.run())
    member.say({'type': 'send', 'data': 'hello'})
"""

import asyncio
import base64
import hashlib
import json
import os
import random
import secrets
import socket
import struct
import time

SUBPROTOCOL = 'party-sockets.v3'
PATIENCE_SECONDS = 5.0  # for an answer to `ping`, to `join`, and to the handshake
PING_SECONDS = 1.0  # between two pings, while there is anything to confirm
QUIET_SECONDS = 2.0  # without a word from the relay: time for a ping
HEAD_BYTES_MOST = 16384  # of the answer to the handshake

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
UNCOUNTED = ('private_state', 'audience')
STOPS = (1008, 4000, 4001, 4002, 4101)  # codes after which a client does not come back
SPOILED = (1002, 1007, 1009)  # the relay could not take a message
LATER = (1013,)  # come back, but some seconds later


class Closed(Exception):
    """The connection is over. `code` is 1006 if no close frame said why."""

    def __init__(self, code, reason=''):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class WebSocket:
    """One WebSocket connection of a client (RFC 6455), without extensions. `open()` makes it."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer
        self._is_closing = False

    @classmethod
    async def open(cls, address, path='/'):
        """Connects and shakes hands. Raises OSError or Closed. Has no deadline of its own."""
        reader, writer = await asyncio.open_connection(*address, limit=2**16)
        writer.get_extra_info('socket').setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await cls._shake_hands(reader, writer, '%s:%d' % address, path)
        except BaseException:
            writer.transport.abort()
            raise
        return cls(reader, writer)

    @staticmethod
    async def _shake_hands(reader, writer, host, path):
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write((
            f'GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
            f'Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n'
            f'Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n').encode())
        try:
            head = await reader.readuntil(b'\r\n\r\n')
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            raise Closed(1006, 'no answer to the handshake') from None
        first, *lines = head.decode('latin-1').strip().split('\r\n')
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(':') for line in lines)}
        if len(head) > HEAD_BYTES_MOST or first.split(' ')[1:2] != ['101']:
            raise Closed(1006, f'the answer to the handshake is {first[:100]}')
        proof = hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()
        if headers.get('sec-websocket-accept') != base64.b64encode(proof).decode():
            raise Closed(1006, 'the answer to the handshake has a wrong Sec-WebSocket-Accept')
        if headers.get('sec-websocket-protocol') != SUBPROTOCOL:
            raise Closed(4101, f'the server does not speak {SUBPROTOCOL}')

    def send(self, message):
        """Sends a text (str) or a binary message (bytes). What can't be sent any more is dropped."""
        is_text = isinstance(message, str)
        self._write_frame(TEXT if is_text else BINARY, message.encode() if is_text else message)

    def close(self, code):
        """Says goodbye; `receive()` then raises Closed when the other side has done so, too."""
        self._write_frame(CLOSE, struct.pack('!H', code))
        self._is_closing = True

    def abort(self):
        """Ends the connection now, whatever has not been sent."""
        self._is_closing = True
        self._writer.transport.abort()

    def _write_frame(self, opcode, payload):
        if self._is_closing or self._writer.transport.is_closing():
            return
        size, mask = len(payload), os.urandom(4)
        if size < 126:
            head = struct.pack('!BB', 128 | opcode, 128 | size)
        elif size < 65536:
            head = struct.pack('!BBH', 128 | opcode, 254, size)
        else:
            head = struct.pack('!BBQ', 128 | opcode, 255, size)
        key = (mask * (size // 4 + 1))[:size]
        masked = int.from_bytes(payload, 'big') ^ int.from_bytes(key, 'big')
        self._writer.write(head + mask + masked.to_bytes(size, 'big'))

    async def _read_frame(self):
        """Returns (is_final, opcode, payload)."""
        first, second = await self._reader.readexactly(2)
        size = second & 127
        if first & 112 or second & 128:
            raise Closed(1002, 'a frame with reserved bits, or a masked one')
        if size > 125:
            wide = await self._reader.readexactly(2 if size == 126 else 8)
            size = int.from_bytes(wide, 'big')
        return bool(first & 128), first & 15, await self._reader.readexactly(size)

    async def receive(self):
        """Returns the next message, str or bytes, and answers pings. Raises Closed."""
        pieces, kind = [], None
        try:
            while True:
                is_final, opcode, payload = await self._read_frame()
                if opcode == CLOSE:
                    self._answer_close(payload)
                elif opcode == PING:
                    self._write_frame(PONG, payload)
                elif opcode < 8:
                    if (opcode == 0) != (kind is not None):
                        raise Closed(1002, 'a piece of no message')
                    kind = kind or opcode
                    pieces.append(payload)
                    if is_final:
                        whole = b''.join(pieces)
                        return whole.decode() if kind == TEXT else whole
        except (asyncio.IncompleteReadError, OSError):
            raise Closed(1006, 'the connection broke') from None

    def _answer_close(self, payload):
        code = int.from_bytes(payload[:2], 'big') if len(payload) >= 2 else 1005
        self._write_frame(CLOSE, payload[:2])
        raise Closed(code, payload[2:].decode(errors='replace'))


class Said:
    """A message that the relay has not confirmed. `note` is the application's."""

    def __init__(self, frame, is_volatile, note):
        self.frame, self.is_volatile, self.note = frame, is_volatile, note


class Member:
    """One player's seat in a room, over as many connections as it takes.

    `fields` are those of `create`, or of `join` if `room` is one of them.
    """

    def __init__(self, address, app, patience=PATIENCE_SECONDS, **fields):
        self._address, self._app, self._patience = address, app, patience
        self._who = {'clientId': secrets.token_hex(16), 'session': secrets.token_hex(8), **fields}
        self._socket = None
        self.is_ready = False  # `created` or `joined` has come on this connection
        self.index = self.room = self.epoch = None
        self.attempt = self.seen = self.heard = 0
        self.kept = []  # Said, behind number `heard`, in order
        self._is_spoiled = False  # the relay could not take the message behind `heard`
        self._is_state_told = False  # the state comes next, and is not counted
        self._is_leaving = False
        self.why = None  # why it is over, if it is
        self._tries = 0
        self._last_word = self._last_ping = 0.0
        self._told = 0  # the `seen` of the last ping

    # What the application calls.

    def say(self, message, note=None):
        """Sends a message of protocol 3, a dict such as {'type': 'send', 'data': 'hello'}, now or when it can."""
        self._say(Said(json.dumps(message), message.get('volatile') is True, note))

    def say_binary(self, payload, to=None, volatile=False, note=None):
        """Sends bytes to everyone else, to one index, or to 'host'."""
        if to is None:
            head = b'\0'
        else:
            head = b'\2' if to == 'host' else b'\1' + struct.pack('!I', to)
        self._say(Said(bytes([head[0] | 128 * volatile]) + head[1:] + payload, volatile, note))

    def leave(self):
        """Leaves, when the relay has confirmed all that was said."""
        self._is_leaving = True

    def break_off(self):
        """Breaks its connection, as a network does. It comes back."""
        if self._socket:
            self._socket.abort()

    async def run(self):
        """Plays until it is over, and returns why."""
        while self.why is None:
            code, reason = await self._live()
            if code in SPOILED:
                self._is_spoiled = True
            if code in STOPS:
                self._stop(code, reason)
            if self.why is None:
                await asyncio.sleep(self._pause(code))
        return self.why

    # One connection.

    async def _live(self):
        """Lives through one connection, and returns its close code and reason."""
        try:
            self._socket = mine = await asyncio.wait_for(WebSocket.open(self._address), self._patience)
        except (OSError, asyncio.TimeoutError):
            return 1006, 'no connection'
        except Closed as closed:
            return closed.code, closed.reason
        self._last_word = time.monotonic()
        self._enter_room()
        watch = asyncio.create_task(self._watch(mine))
        try:
            while True:
                self._receive(await mine.receive())
        except Closed as closed:
            return closed.code, closed.reason
        finally:
            watch.cancel()
            mine.abort()
            self._socket, self.is_ready = None, False

    def _enter_room(self):
        hello = {'type': 'create', **self._who}
        if 'room' in self._who:
            self.attempt += 1
            hello = {**hello, 'type': 'join', 'attempt': self.attempt}
            if self.epoch is not None:
                hello.update(epoch=self.epoch, seen=self.seen)
        self._socket.send(json.dumps(hello))

    async def _watch(self, mine):
        """Pings, and gives a connection up on which nothing comes."""
        while True:
            await asyncio.sleep(self._patience / 20)
            now = time.monotonic()
            quiet = now - self._last_word
            if quiet > self._patience + (PING_SECONDS if self.is_ready else 0):
                mine.close(4101)  # and not 1000, which says that this member has left
                mine.abort()
            elif self.is_ready and self._is_leaving and not self.kept:
                self._stop('left')
                mine.close(1000)
            elif self.is_ready and now - self._last_ping >= PING_SECONDS:
                if self.kept or self.seen != self._told or quiet >= QUIET_SECONDS:
                    self._ping(now)

    def _ping(self, now):
        self._last_ping, self._told = now, self.seen
        self._socket.send(json.dumps({'type': 'ping', 'seen': self.seen}))

    def _pause(self, code):
        """Seconds until the next connection: none at first, then longer and longer."""
        self._tries += 1
        if code in LATER:
            return random.uniform(2, 6)
        return 0 if self._tries == 1 else random.uniform(0, min(8, 0.25 * 2 ** (self._tries - 1)))

    def _stop(self, why, reason=''):
        if self.why is None:
            self.why = why
            self._app.over(why, reason)

    # What it says.

    def _say(self, said):
        if self.is_ready:
            self._socket.send(said.frame)
        if self.is_ready or not said.is_volatile:
            if not self._is_audience():  # the relay confirms nothing to those
                self.kept.append(said)  # a volatile one, too, since it counts

    def _is_audience(self):
        return self._who.get('role') == 'audience'

    def _forget(self, heard):
        """The relay has heard so many messages."""
        if heard < self.heard:
            raise ValueError(f'the relay had heard {self.heard} messages, and says {heard}')
        del self.kept[:heard - self.heard]
        self.heard = heard

    def _say_again(self):
        """On a new connection: whatever it kept, and the relay has not heard. Volatile ones are not sent again."""
        self.kept = [said for said in self.kept if not said.is_volatile]
        for said in self.kept:
            self._socket.send(said.frame)

    # What it hears.

    def _receive(self, message):
        self._last_word = time.monotonic()
        if isinstance(message, bytes):
            self._receive_binary(message)
            return
        event = json.loads(message)
        kind = event['type']
        if kind in ('created', 'joined'):
            self._enter(event)
        elif kind == 'pong':
            self._forget(event.get('heard', self.heard))
        elif kind == 'error' and not self.is_ready:
            self._stop(event['code'], event['message'])
            self._socket.close(1000)
        elif kind == 'left':
            self._stop('left')
            self._socket.close(1000)
        else:
            self.seen += self._count(event)
            self._app.event(event)

    def _receive_binary(self, message):
        self.seen += 1
        self._is_state_told = False
        if message[0] == 0:
            self._app.binary(int.from_bytes(message[1:5], 'big'), message[5:])
        else:
            self._app.binary(None, message[1:])

    def _count(self, event):
        """How many events this one is."""
        kind = event['type']
        was_told, self._is_state_told = self._is_state_told, False
        if kind == 'skipped':
            return event['count']
        if kind in UNCOUNTED or kind == 'state' and was_told or kind == 'error' and 'n' not in event:
            return 0
        return 1

    def _enter(self, event):
        """`created` or `joined`: counts go on, or begin anew."""
        if 'unasked' in event:  # a server of a cluster seats this member anew
            self._socket.send(json.dumps({'type': 'resumed', 'unasked': event['unasked']}))
        is_same = self.epoch is not None and event.get('epoch') == self.epoch
        if is_same:
            self._forget(event['heard'])
            if self._is_spoiled and self.kept:
                self._app.gave_up(self.kept.pop(0).frame)
        else:
            self.heard = 0  # all that is kept goes out again
        is_recovered = event.get('recovered', False)
        if is_recovered and event['seen'] != self.seen:
            raise ValueError(f'recovered from {self.seen}, and the relay says {event["seen"]}')
        self.epoch, self.seen = event.get('epoch'), event.get('seen', 0)
        self.index, self.room = event.get('index'), event['room']
        self._who['room'] = self.room
        self._is_spoiled, self._tries, self.is_ready = False, 0, True
        self._is_state_told = event.get('state', False)
        self._say_again()  # before the application, which may say something
        (self._app.back if is_recovered else self._app.begin)(event)

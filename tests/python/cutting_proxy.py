"""A TCP proxy for tests that cuts connections, at random bytes and at random times.

It listens at 127.0.0.1, at a port that the kernel chooses, and connects to 127.0.0.1 only, to one of some ports.
These are its cuts:

    reset        both sides are reset, perhaps in the middle of a frame
    silence      nothing passes any more, and both sockets stay open
    silence up, silence down    the same, in one direction only
    late         the client is reset; what it said in its last moments comes to the server some time later
    close up, close down        one direction is closed, the other one goes on
"""

import asyncio
import collections
import socket
import struct

CUTS = ('reset', 'silence', 'silence up', 'silence down', 'late', 'close up', 'close down')
EARLY_CHANCE = 0.2  # that a connection is cut in its first bytes: in the handshake, or in `joined`
EARLY_BYTES_MOST = 700
LAST_BYTES_MOST = 60  # that pass before a cut at a byte
LATE_SECONDS_MOST = 3.0
HOLD_SECONDS_MOST = 0.3  # of a client's last moments
SILENT_SECONDS_MOST = 60.0  # then both sockets of a silent connection close
CHUNK_BYTES = 65536


def reset(writer):
    """Closes the connection with RST, and drops what has not been sent."""
    if not writer.transport.is_closing():
        writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        writer.transport.abort()


class Link:
    """One client's connection, and the one to the server that belongs to it.

    `note_cut(kind)` tells whether it may cut now, and counts the cut.
    """

    def __init__(self, client, server, random, mean_seconds, note_cut):
        (self._client_reader, self._client), (self._server_reader, self._server) = client, server
        self._random, self._mean_seconds, self._note_cut = random, mean_seconds, note_cut
        self._kind = random.choice(CUTS)
        self._bytes_left = random.randrange(EARLY_BYTES_MOST) if random.random() < EARLY_CHANCE else None
        self._is_up, self._is_down = True, True  # whether bytes pass
        self._held = None  # bytes to the server that will come late
        self._has_ended = False  # the client, and the server was told
        self._is_cut = asyncio.Event()

    async def pass_on(self):
        """Passes bytes both ways until both sides are closed."""
        ways = [
            asyncio.create_task(self._pass(self._client_reader, self._server, True)),
            asyncio.create_task(self._pass(self._server_reader, self._client, False)),
        ]
        cut = asyncio.create_task(self._cut_in_time())
        try:
            await asyncio.gather(*ways)
            if self._held is not None:
                await cut
        finally:
            for task in (*ways, cut):
                task.cancel()
            reset(self._client)
            reset(self._server)

    async def _pass(self, reader, writer, is_up):
        """One direction. A cut at a byte is perhaps in the middle of a frame."""
        try:
            while data := await reader.read(CHUNK_BYTES):
                if self._bytes_left is not None:
                    count = self._bytes_left
                    self._bytes_left = None if count < len(data) else count - len(data)
                    await self._write(writer, data[:count], is_up)
                    data = data[count:]
                    if data:
                        self._cut()
                await self._write(writer, data, is_up)
            if self._passes(is_up) and not writer.transport.is_closing():
                writer.write_eof()
                self._has_ended |= is_up
        except OSError:
            if self._passes(is_up):
                reset(writer)

    def _passes(self, is_up):
        return self._is_up and self._held is None if is_up else self._is_down

    async def _write(self, writer, data, is_up):
        if is_up and self._held is not None:
            self._held += data
        elif data and self._passes(is_up) and not writer.transport.is_closing():
            writer.write(data)
            await writer.drain()

    async def _cut_in_time(self):
        """Cuts at a random time, or some bytes behind it, unless a byte has done so before."""
        while not self._is_cut.is_set():
            try:
                await asyncio.wait_for(self._is_cut.wait(), self._random.expovariate(1 / self._mean_seconds))
            except asyncio.TimeoutError:
                if self._random.random() < 0.5:
                    self._cut()
                else:
                    self._bytes_left = self._random.randrange(LAST_BYTES_MOST)
        if self._kind.startswith('silence'):
            await asyncio.sleep(SILENT_SECONDS_MOST)
        elif self._kind == 'late':
            await self._deliver_late()
        else:
            return
        reset(self._client)
        reset(self._server)

    def _cut(self):
        """What happens at once."""
        if self._is_cut.is_set() or not self._note_cut(self._kind):
            return
        self._is_cut.set()
        if self._kind == 'reset':
            reset(self._client)
            reset(self._server)
        elif self._kind == 'late':
            self._held = bytearray()
        self._is_up = self._kind not in ('silence', 'silence up', 'close up')
        self._is_down = self._kind not in ('silence', 'silence down', 'close down')
        closed = {'close up': self._server, 'close down': self._client}.get(self._kind)
        if closed and not closed.transport.is_closing():
            closed.write_eof()

    async def _deliver_late(self):
        await asyncio.sleep(self._random.uniform(0, HOLD_SECONDS_MOST))
        reset(self._client)
        await asyncio.sleep(self._random.uniform(0, LATE_SECONDS_MOST))
        if not self._server.transport.is_closing() and not self._has_ended:
            self._server.write(bytes(self._held))
            await asyncio.sleep(self._random.uniform(0, 0.2))


class CuttingProxy:
    """`start()` it; clients connect to `address`. It cuts while `is_cutting` is true, at most `cuts_most` times."""

    def __init__(self, ports, random, mean_seconds, cuts_most=10_000):
        self._ports, self._random, self._mean_seconds = ports, random, mean_seconds
        self._cuts_most = cuts_most
        self._tasks = set()
        self.address = None
        self.is_cutting = False
        self.cuts = collections.Counter()

    async def start(self):
        self._listener = await asyncio.start_server(self._accept, '127.0.0.1', 0)
        self.address = self._listener.sockets[0].getsockname()

    async def stop(self):
        """Ends all connections."""
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            server = await asyncio.open_connection('127.0.0.1', self._random.choice(self._ports))
            await Link((reader, writer), server, self._random, self._mean_seconds, self._note_cut).pass_on()
        except OSError:
            reset(writer)
        except asyncio.CancelledError:
            reset(writer)
        finally:
            self._tasks.discard(task)

    def _note_cut(self, kind):
        """Whether this connection is to be cut now."""
        if not self.is_cutting or self.cuts.total() >= self._cuts_most:
            return False
        self.cuts[kind] += 1
        return True

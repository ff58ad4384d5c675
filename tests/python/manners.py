#!/usr/bin/env python3
"""What the client does about closes, refusals, states, the audience and what the relay can't take.

    manners.py PORT

PORT is that of a relay on this machine with `--max-message-bytes 10000`. The status is 0 if all is as
docs/protocol.md says.
"""

import asyncio
import sys

from party_client import Member

DEADLINE_SECONDS = 20.0


class Notes:
    """An application that notes what it is told."""

    def __init__(self):
        self.begun, self.backs, self.events, self.bytes, self.given_up, self.ends = [], [], [], [], [], []

    def begin(self, event):
        self.begun.append(event)

    def back(self, event):
        self.backs.append(event)

    def event(self, event):
        self.events.append(event)

    def binary(self, sender, payload):
        self.bytes.append((sender, payload))

    def gave_up(self, message):
        self.given_up.append(message)

    def over(self, why, reason):
        self.ends.append((why, reason))

    def data(self, kind='message'):
        return [event['data'] for event in self.events if event['type'] == kind]


async def until(is_true, what):
    """Waits until a condition holds."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not is_true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f'not in time: {what}') from None


def equal(actual, expected):
    assert actual == expected, f'{actual!r}, and not {expected!r}'


class Table:
    """Members at one relay."""

    def __init__(self, address):
        self.address, self.tasks = address, []

    async def sit(self, **fields):
        """A member that has entered, or was refused."""
        member = Member(self.address, Notes(), **fields)
        member.notes = member._app
        self.tasks.append(asyncio.create_task(member.run()))
        await until(lambda: member.notes.begun or member.why, 'it enters')
        return member


async def refusals(table):
    stranger = await table.sit(room='BCDFGHJKLMNP')
    equal(stranger.notes.ends, [('room-not-found', 'Room not found')])
    host = await table.sit(maxClients=3, password='open sesame')
    equal((await table.sit(room=host.room)).why, 'password-required')
    equal((await table.sit(room=host.room, password='no')).why, 'wrong-password')
    equal((await table.sit(room=host.room.lower(), password='open sesame')).room, host.room)
    host.say({'type': 'send', 'data': 1, 'to': 7})
    await until(lambda: host.notes.events[1:], 'an error')
    error = {'type': 'error', 'code': 'peer-not-found', 'message': 'Target peer not found', 'of': 'send', 'to': 7,
             'n': 1}
    equal(host.notes.events[1], error)


async def ends(table):
    host = await table.sit(maxClients=4)
    kicked, replaced, leaver = [await table.sit(room=host.room) for _ in range(3)]
    host.say({'type': 'kick', 'index': 1, 'reason': 'no shoes'})
    await until(lambda: kicked.why, 'the kick')
    equal(kicked.notes.ends, [(4002, 'no shoes')])
    other = await table.sit(room=host.room, clientId=replaced._who['clientId'])
    await until(lambda: replaced.why, 'the replacement')
    equal((replaced.notes.ends, other.index), ([(4000, 'replaced')], 2))
    leaver.say({'type': 'send', 'data': 'farewell', 'to': 'host'})
    leaver.leave()
    await until(lambda: leaver.why, 'the leave')
    await until(lambda: host.notes.events[-1] == {'type': 'peer_left', 'index': 3, 'why': 'left'}, 'that it left')
    equal(host.notes.data(), ['farewell'])
    host.say({'type': 'close_room'})
    await until(lambda: host.why and other.why, 'the end of the room')
    equal((host.why, other.notes.ends), (4001, [(4001, 'room closed')]))


async def too_long(table):
    host = await table.sit(maxClients=2)
    guest = await table.sit(room=host.room)
    for data in ('before', 'x' * 20_000, 'behind'):
        guest.say({'type': 'send', 'data': data})
    guest.say_binary(b'\0\xff', to='host')
    await until(lambda: host.notes.bytes, 'what stood behind the long message')
    equal((host.notes.data(), host.notes.bytes), (['before', 'behind'], [(1, b'\0\xff')]))
    equal((len(guest.notes.given_up), len(guest.notes.begun)), (1, 1))
    await until(lambda: not guest.kept, 'that all is confirmed')
    equal(guest.heard, 3)


async def states(table):
    host = await table.sit(maxClients=4)
    early = await table.sit(room=host.room)
    host.say({'type': 'set_state', 'data': 'one'})
    host.say({'type': 'set_state', 'data': 'mine', 'private': True})
    await until(lambda: early.notes.data('state'), 'the first state')
    late = await table.sit(room=host.room)
    await until(lambda: late.notes.data('state'), 'the state behind joined')
    equal([(member.notes.begun[0]['state'], member.seen) for member in (early, late)], [(False, 2), (True, 0)])
    host.say({'type': 'set_state', 'data': 'two'})
    await until(lambda: late.notes.data('state') == ['one', 'two'], 'the second state')
    equal((early.seen, late.seen), (3, 1))
    for member in (host, early, late):
        member.break_off()
    await until(lambda: all(member.notes.backs for member in (host, early, late)), 'that they come back')
    again = await table.sit(room=host.room, clientId=host._who['clientId'])
    await until(lambda: again.notes.data('private_state'), 'the private state')
    equal((again.index, again.notes.data('state'), again.notes.data('private_state')), (0, ['two'], ['mine']))
    await until(lambda: again.notes.events[-1]['type'] != 'peer_away', 'that nobody is away')
    again.say({'type': 'send', 'data': 'on'})
    await until(lambda: late.notes.data() == ['on'], 'a message')


async def audience(table):
    host = await table.sit(maxClients=2, maxAudience=2)
    watcher = await table.sit(room=host.room, role='audience')
    await until(lambda: {'type': 'audience', 'count': 1} in host.notes.events, 'the count of the audience')
    equal((watcher.epoch, watcher.index, host.seen), (None, None, 0))
    watcher.say({'type': 'send', 'data': 'boo'})
    watcher.say_binary(b'clap')
    await until(lambda: host.notes.bytes, 'applause')
    equal(host.notes.events[-1], {'type': 'message', 'audience': True, 'data': 'boo'})
    equal((host.notes.bytes, host.seen), ([(None, b'clap')], 2))
    watcher.break_off()
    await until(lambda: len(watcher.notes.begun) == 2, 'that it watches again')
    host.say({'type': 'send', 'data': 'thanks'})
    await until(lambda: watcher.notes.data() == ['thanks'], 'thanks')


async def main(port):
    scenes = (refusals, ends, too_long, states, audience)
    tables = [Table(('127.0.0.1', port)) for _ in scenes]
    await asyncio.gather(*(scene(table) for scene, table in zip(scenes, tables)))
    for task in (task for table in tables for task in table.tasks):
        task.cancel()


if __name__ == '__main__':
    asyncio.run(main(int(sys.argv[1])))

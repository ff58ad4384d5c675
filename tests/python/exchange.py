#!/usr/bin/env python3
"""Members of rooms exchange numbered messages over a proxy that cuts, and each checks what it gets.

    exchange.py PORT... [--seconds 8] [--rooms 1] [--members 5] [--rate 20] [--cut-every 2] [--seed 1] ...

Each PORT is one of a relay on this machine; a connection goes to any of them. A message that is not volatile must
come exactly once and in order, to everybody whom it was for; a volatile one at most once. A member that was told
`recovered: false` knows that it may have missed something; no other one may. The last line is a JSON object with
figures and the `violations`. The status is 1 if there are any.
"""

import argparse
import asyncio
import collections
import json
import random
import sys
import time

from cutting_proxy import CuttingProxy
from party_client import Member

ENTER_SECONDS = 20.0
LEAVE_SECONDS = 10.0
LINGER_SECONDS = 0.7  # what comes twice would come in this time
VIOLATIONS_MOST = 50
NOBODY = 4_000_000_000  # an index that no seat has
HOST = 0


class ResendsTooFew(Member):
    """A planted fault: forgets the first of the messages that it has to send again."""

    def _say_again(self):
        del self.kept[:1]
        super()._say_again()


class CountsTooMany(Member):
    """A planted fault: comes back as if it had seen one event more."""

    def _enter_room(self):
        self.seen += 0 if self.epoch is None else 1
        super()._enter_room()


PLANTS = {'resend': ResendsTooFew, 'seen': CountsTooMany}

# What a member refuses to get right, and the error that it wants for it.
REFUSED = (
    ('peer-not-found', {'type': 'send', 'data': 1, 'to': NOBODY}),
    ('bad-to', {'type': 'send', 'data': 1, 'to': []}),
    ('bad-volatile', {'type': 'send', 'data': 1, 'volatile': 2}),
    ('not-host', {'type': 'kick', 'index': HOST}),
    ('unknown-type', {'type': 'dance'}),
)


def state_note(number):
    return f'state {number}'


class Due:
    """Message `number` of a sender, which is due to come to a receiver."""

    def __init__(self, number, must_come):
        self.number, self.must_come = number, must_come


class Stream:
    """What one member says to another, in order."""

    def __init__(self):
        self.due = collections.deque()
        self.may_jump = False  # the receiver was told that it is not recovered
        self.last = 0

    def lacks(self):
        return 0 if self.may_jump else sum(due.must_come for due in self.due)


class Player:
    """The application of one member."""

    def __init__(self, room, place):
        self.room, self.place, self.name = room, place, f'room {room.number}, member {place}'
        self.random = room.random
        self.streams = collections.defaultdict(Stream)  # by sender
        self.said = 0
        self.may_double = set()  # notes of what was unconfirmed when an epoch ended
        self.errors_due = collections.deque()
        self.present, self.away = set(), set()
        self.state, self.is_state_fresh = 0, False
        self.begun = 0
        self.epoch = None
        self.indices = set()  # more than one if it got a new seat
        fields = {'room': room.code} if room.code else {'maxClients': room.size, 'hold': room.world.options.hold}
        self.member = room.world.make_member(room.proxy.address, self, fields)
        self.task = asyncio.create_task(self.member.run())

    # What the client calls.

    def begin(self, event):
        self.begun += 1
        self.indices.add(event['index'])
        for stream in self.streams.values():
            stream.may_jump = True
        if self.begun > 1:
            self.room.world.figures['not recovered'] += 1
            self._note_epoch(event)
        self.epoch = event['epoch']
        self.is_state_fresh = True
        self.present = {*event.get('peers', ()), self.member.index}
        self.away = set(event.get('away', ()))
        self.errors_may_lack = self.begun > 1

    def _note_epoch(self, event):
        if event['epoch'] == self.epoch:
            return
        self.room.world.figures['new epochs'] += 1
        self.room.is_renewed = True
        self.may_double.update(said.note for said in self.member.kept)
        for stream in self.streams.values():
            for due in stream.due:
                due.must_come = False
        # What was confirmed in the old epoch may have been heard by a node that was cut off, in a room that lived twice.
        kept = {said.note for said in self.member.kept}
        for player in self.room.players:
            for due in player.streams[self.place].due:
                due.must_come = due.must_come and due.number in kept
        if self.place == HOST:
            self._set_state()  # a node that died may have lost the last one
        else:
            self.state = 0

    def back(self, event):
        self.room.world.figures['recovered'] += 1

    def event(self, event):
        kind = event['type']
        handle = getattr(self, '_on_' + kind, None)
        if handle:
            handle(event)
        elif kind not in ('skipped', 'host', 'private_state'):
            self.violate(f'an event that nobody expects: {event}')
        self.is_state_fresh = False

    def binary(self, sender, payload):
        self.is_state_fresh = False
        self._take(sender, payload[0], int.from_bytes(payload[1:5], 'big'), payload[5:] == b'\xff' * (len(payload) - 5))

    def gave_up(self, message):
        self.violate(f'the relay does not take {message[:80]}')

    def over(self, why, reason):
        if why != 'left':
            self.violate(f'it is over: {why} {reason}')

    # What the relay tells.

    def _on_message(self, event):
        data = event['data']
        self._take(event['from'], data['by'], data['number'], set(data['filler']) <= {'é'})

    def _on_state(self, event):
        number = event['data']
        if self.place == HOST:  # who may have said a newer one, which the relay has not heard
            if number > self.state or not self.is_state_fresh:
                self.violate(f'state {number}, where the last one was {self.state}')
            return
        is_old = number < self.state or (number == self.state and not self.is_state_fresh)
        if is_old and state_note(number) not in self.room.players[HOST].may_double:
            self.violate(f'state {number} behind {self.state}')
        self.state = number

    def _on_error(self, event):
        code = event['code']
        self.room.world.figures['errors'] += 1
        if self.room.is_renewed:
            return  # some come twice, and some are about an index that was a member's before it got a new seat
        while self.errors_may_lack and self.errors_due and self.errors_due[0] != code:  # those are lost knowingly
            self.errors_due.popleft()
        wanted = self.errors_due.popleft() if self.errors_due else 'none'
        if wanted != code:
            self.violate(f'the error {code} where {wanted} was due')

    def _on_peer_joined(self, event):
        self._move(event, None, self.present)

    def _on_peer_away(self, event):
        self._move(event, self.present, self.away)

    def _on_peer_back(self, event):
        self._move(event, self.away, self.present)

    def _on_peer_left(self, event):
        self.room.is_renewed = True
        self._move(event, self.away | self.present, None)

    def _move(self, event, source, target):
        index = event['index']
        if source is None and index in self.present | self.away or source is not None and index not in source:
            self.violate(f'{event}, with {self.present} present and {self.away} away')
        for seats in (self.present, self.away):
            seats.discard(index)
        if target is not None:
            target.add(index)

    def _take(self, sender, place, number, is_whole):
        """Message `number` of the member at `place` has come."""
        figures, stream = self.room.world.figures, self.streams[place]
        figures['delivered'] += 1
        if not is_whole or sender not in self.room.players[place].indices:
            self.violate(f'message {number} of {place} has changed, or comes from {sender}')
        if number <= stream.last:
            if number not in self.room.players[place].may_double:
                self.violate(f'message {number} of {place} comes behind {stream.last}')
            return
        stream.last = number
        while stream.due and stream.due[0].number < number:
            skipped = stream.due.popleft()
            if skipped.must_come:
                figures['missed knowingly' if stream.may_jump else 'lost'] += 1
                if not stream.may_jump:
                    self.violate(f'message {skipped.number} of {place} is lost; {number} has come')
            else:
                figures['volatile skipped'] += 1
        stream.may_jump = False
        if stream.due and stream.due[0].number == number:
            stream.due.popleft()
        else:
            self.violate(f'message {number} of {place} was for others')

    def violate(self, what):
        self.room.world.violations.append(f'{self.name}: {what}')

    # What it says.

    def speak(self):
        """Says one thing."""
        weights = {
            self._speak_to_all: 12, self._speak_to_one: 8, self._speak_to_some: 3, self._speak_to_host: 6,
            self._err: 2, self._set_state: 1 if self.place == HOST else 0,
        }
        self.random.choices(tuple(weights), tuple(weights.values()))[0]()

    def _speak_to_all(self):
        others = [player.place for player in self.room.players if player is not self]
        self._send(None, others, self.random.random() < 0.5)

    def _speak_to_one(self):
        place = self.random.randrange(self.room.size)  # also itself
        self._send(self.room.players[place].member.index, [place], self.random.random() < 0.5)

    def _speak_to_some(self):
        places = self.random.sample(range(self.room.size), 2)
        indices = [self.room.players[place].member.index for place in places]
        self._send(indices + [NOBODY] * self.random.randrange(2), places, False)

    def _speak_to_host(self):
        self._send('host', [HOST], self.random.random() < 0.5)

    def _send(self, to, places, is_binary):
        self.said += 1
        is_volatile = self.random.random() < 0.15
        figures = self.room.world.figures
        figures['sent'] += 1
        for place in places:
            self.room.players[place].streams[self.place].due.append(Due(self.said, not is_volatile))
        size = self.random.choice((0, 10, 60, 60, 60, 200, self.room.world.largest))
        if is_binary:
            payload = bytes([self.place]) + self.said.to_bytes(4, 'big') + b'\xff' * size
            self.member.say_binary(payload, to, is_volatile, self.said)
            return
        message = {'type': 'send', 'data': {'by': self.place, 'number': self.said, 'filler': 'é' * (size // 2)}}
        if to is not None:
            message['to'] = to
        if is_volatile:
            message['volatile'] = True
        self.member.say(message, self.said)

    def _err(self):
        code, message = self.random.choice(REFUSED[:3] + REFUSED[4:] if self.place == HOST else REFUSED)
        self.errors_due.append(code)
        self.member.say(message)

    def _set_state(self):
        self.state += 1
        self.member.say({'type': 'set_state', 'data': self.state}, state_note(self.state))

    # How it ends.

    def unfinished(self):
        """What is still to come, in words, or nothing."""
        others = {player.member.index for player in self.room.players}
        lacks_errors = self.errors_due and not self.errors_may_lack and not self.room.is_renewed
        lacks = {place: stream.lacks() for place, stream in self.streams.items()}
        open_ends = (
            (not self.member.is_ready, 'has no connection'),
            (self.member.kept, f'has {len(self.member.kept)} unconfirmed messages'),
            (lacks_errors, f'lacks errors: {list(self.errors_due)}'),
            (self.present != others or self.away, f'has {self.present} present, {self.away} away'),
            (self.state != self.room.players[HOST].state, f'has state {self.state}'),
            *((count, f'lacks {count} messages of {place}') for place, count in lacks.items()),
        )
        return [words for is_open, words in open_ends if is_open]


class Room:
    """One room, with a proxy of its own."""

    def __init__(self, world, number):
        self.world, self.number, self.size = world, number, world.options.members
        self.random = random.Random(f'{world.options.seed} {number}')
        self.proxy = CuttingProxy(world.options.ports, self.random, world.options.cut_every, world.options.cuts_most)
        self.code = None
        self.is_renewed = world.options.hold == 0  # somebody lost a seat, or got a new epoch
        self.players = []

    async def play(self):
        """From the first connection to the last. Returns when all has arrived, or too late."""
        options = self.world.options
        await self.proxy.start()
        for place in range(self.size):
            self.players.append(Player(self, place))
            await self._until(lambda: self.players[-1].begun, ENTER_SECONDS, 'to enter')
            self.code = self.players[0].member.room
        self.proxy.is_cutting = True
        until = time.monotonic() + options.seconds
        await asyncio.gather(*(self._chatter(player, until) for player in self.players))
        self.proxy.is_cutting = False
        await self._settle()
        for player in self.players:  # once more, so that a wrong count shows
            player.member.break_off()
        await self._settle()
        await self._end()

    async def _chatter(self, player, until):
        while time.monotonic() < until and player.member.why is None:
            for _ in range(self.random.choice((1, 1, 1, 1, 5))):
                player.speak()
            await asyncio.sleep(self.random.expovariate(self.world.options.rate / 1.8))

    async def _settle(self):
        def is_done():
            return not any(player.unfinished() for player in self.players)

        if await self._until(is_done, self.world.options.give_up):
            await asyncio.sleep(LINGER_SECONDS)
            return
        for player in self.players:
            for words in player.unfinished():
                player.violate(words)

    async def _until(self, is_true, seconds, what=None):
        deadline = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > deadline:
                if what:
                    raise TimeoutError(f'room {self.number} takes too long {what}')
                return False
            await asyncio.sleep(0.02)
        return True

    async def _end(self):
        for stream in (stream for player in self.players for stream in player.streams.values()):
            if stream.may_jump:  # and nothing has come behind what was missed
                self.world.figures['missed knowingly'] += sum(due.must_come for due in stream.due)
        for players in (self.players[1:], self.players[:1]):  # the host last, since the room ends then
            for player in players:
                player.member.leave()
            await asyncio.wait([player.task for player in players], timeout=LEAVE_SECONDS)
        for player in self.players:
            if player.task.cancel():
                player.violate('it does not come to leave')
        for player in self.players:
            if player.task.done() and not player.task.cancelled() and player.task.exception():
                player.violate(repr(player.task.exception()))
        await self.proxy.stop()


class World:
    def __init__(self, options):
        self.options = options
        self.largest = options.largest
        self.figures = collections.Counter()
        self.violations = []

    def make_member(self, address, player, fields):
        make = PLANTS.get(self.options.plant, Member)
        return make(address, player, patience=self.options.patience, **fields)

    async def run(self):
        rooms = [Room(self, number) for number in range(self.options.rooms)]
        for result in await asyncio.gather(*(room.play() for room in rooms), return_exceptions=True):
            if result is not None:
                self.violations.append(repr(result))
        return self._outcome(rooms)

    def _outcome(self, rooms):
        cuts = sum((room.proxy.cuts for room in rooms), collections.Counter())
        names = ('sent', 'delivered', 'recovered', 'not recovered', 'new epochs', 'errors', 'volatile skipped',
                 'missed knowingly', 'lost')
        return {
            'cut': cuts.total(), **{f'cut by {kind}': cuts[kind] for kind in sorted(cuts)},
            **{name: self.figures[name] for name in names},
            'violation count': len(self.violations), 'violations': self.violations[:VIOLATIONS_MOST],
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('ports', metavar='PORT', type=int, nargs='+')
    parser.add_argument('--seconds', type=float, default=8, help='of talk; what comes behind takes some seconds')
    parser.add_argument('--rooms', type=int, default=1)
    parser.add_argument('--members', type=int, default=5, help='in each room')
    parser.add_argument('--hold', type=float, default=60, help='seconds for which the relay holds a seat')
    parser.add_argument('--rate', type=float, default=20, help='messages of one member in a second')
    parser.add_argument('--cut-every', type=float, default=2, help='seconds that a connection lives, on average')
    parser.add_argument('--cuts-most', type=int, default=10_000, help='in one room')
    parser.add_argument('--patience', type=float, default=5, help='seconds after which a silent connection is given up')
    parser.add_argument('--largest', type=int, default=2000, help='bytes of the largest messages')
    parser.add_argument('--give-up', type=float, default=40, help='seconds for all to arrive when nothing is cut')
    parser.add_argument('--plant', choices=PLANTS, help='a fault in the client that must be found')
    parser.add_argument('--seed', default=str(random.randrange(10**6)), help='determines who says what, and the cuts')
    options = parser.parse_args()
    outcome = asyncio.run(World(options).run())
    print(json.dumps({'seed': options.seed, **outcome}))
    sys.exit(1 if outcome['violations'] else 0)


if __name__ == '__main__':
    main()

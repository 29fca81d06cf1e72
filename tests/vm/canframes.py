#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Moves numbered CAN frames, inside of a guest.

    canframes.py exchange INTERFACE N   with one at the other end of the bus: N each way
    canframes.py send INTERFACE N       as fast as the interface takes them
    canframes.py count INTERFACE        until standard input ends: how many came, and "in order"
                                        if their numbers only went up

To be exchanged, a frame has its number and how many have come from the other
side. Nobody is further ahead than WINDOW, so that nothing gets lost where the
receiver is slow: a socket that is not read drops frames, as any CAN node does.
"""
import errno
import select
import socket
import struct
import sys

FRAME = struct.Struct('=IB3x8s')
NUMBERS = struct.Struct('<II')
NUMBERED, HEARD = 0x123, 0x456
WINDOW, HEAR_EVERY = 400, 100
PATIENCE = 30000        # milliseconds
SO_RCVBUFFORCE = 33


def open_bus(interface):
    bus = socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW)
    bus.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
    bus.bind((interface,))
    bus.setblocking(False)
    return bus


def put(bus, ident, number, other):
    """False: there is no room now."""
    try:
        bus.send(FRAME.pack(ident, 8, NUMBERS.pack(number, other)))
    except OSError as e:
        if e.errno not in (errno.ENOBUFS, errno.EAGAIN):
            raise
        return False
    return True


def take(bus):
    """(identifier, number, other), or None."""
    try:
        ident, _, data = FRAME.unpack(bus.recv(FRAME.size))
    except BlockingIOError:
        return None
    return ident, *NUMBERS.unpack(data)


class Exchange:
    def __init__(self, bus, total):
        self.bus, self.total = bus, total
        self.sent = self.got = self.heard = self.told = 0

    def send(self):
        """True: it goes on when there is room."""
        while self.sent < min(self.total, self.heard + WINDOW):
            if not put(self.bus, NUMBERED, self.sent, self.got):
                return True
            self.sent += 1
            self.told = self.got
        if self.got >= self.told + HEAR_EVERY or (self.got == self.total > self.told):
            if not put(self.bus, HEARD, 0, self.got):
                return True
            self.told = self.got
        return False

    def receive(self):
        any_came = False
        while (frame := take(self.bus)) is not None:
            ident, number, heard = frame
            if ident == NUMBERED and number != self.got:
                sys.exit(f'frame {number} came in place of {self.got}')
            self.got += ident == NUMBERED
            self.heard = max(self.heard, heard)
            any_came = True
        return any_came

    def run(self):
        poll = select.poll()
        poll.register(self.bus, select.POLLIN)
        # Who is heard listens.
        while not self.receive():
            put(self.bus, HEARD, 0, 0)
            poll.poll(20)
        while True:
            held_up = self.send()
            if self.got == self.heard == self.told == self.total:
                return
            if not self.receive() and not poll.poll(1 if held_up else PATIENCE) and not held_up:
                sys.exit(f'nothing comes: {self.sent} sent, {self.heard} heard, {self.got} came')


def exchange(interface, total):
    Exchange(open_bus(interface), int(total)).run()


def send(interface, total):
    bus = open_bus(interface)
    for number in range(int(total)):
        while not put(bus, NUMBERED, number, 0):
            select.select([], [], [], 0.001)


def count(interface):
    bus, came, last, order = open_bus(interface), 0, -1, 'in order'
    print('counting', flush=True)
    ready = []
    while sys.stdin not in ready:
        ready = select.select([bus, sys.stdin], [], [])[0]
        while (frame := take(bus)) is not None:
            came += 1
            if frame[1] <= last:
                order = f'{frame[1]} after {last}'
            last = frame[1]
    print(came, order)


if __name__ == '__main__':
    {'exchange': exchange, 'send': send, 'count': count}[sys.argv[1]](*sys.argv[2:])

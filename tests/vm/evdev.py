# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Input devices of Linux, from both ends, by plain ioctls:

    evdev.py describe NODE          name, ids, properties, codes and ranges
    evdev.py events NODE COUNT      prints events: type code value
    evdev.py sequence NODE COUNT    COUNT events REL_X 1, 2, 3 .. in frames of 1, 2 .. 11, 1 ..
    evdev.py led NODE CODE VALUE    sets a LED
    evdev.py find NAME              the node of this name
    evdev.py uinput NAME KIND FIFO  makes a keyboard or touch screen that plays the lines of FIFO:
                                    'TYPE CODE VALUE', 'gone'; prints 'frame' after each frame,
                                    and LEDs that are set

events, sequence and uinput print 'ready' first, and end after 4 minutes.
"""
import fcntl
import glob
import os
import select
import signal
import struct
import sys

EVENT = struct.Struct('llHHi')
SYN, KEY, REL, ABS, MSC, SW, LED, SND, REP = 0, 1, 2, 3, 4, 5, 0x11, 0x12, 0x14
CODES = {KEY: 0x300, REL: 16, ABS: 64, MSC: 8, SW: 17, LED: 16, SND: 8}
MT_SLOT, LONGEST = 0x2f, 11


def read(node, number, size):
    """_IOC(_IOC_READ, 'E', number, size)"""
    data = bytearray(size)
    try:
        fcntl.ioctl(node, 2 << 30 | size << 16 | ord('E') << 8 | number, data)
    except OSError:
        return None
    return bytes(data)


def text(node, number):
    return (read(node, number, 256) or b'').split(b'\0')[0].decode()


def bits(data):
    return [8 * i + k for i, byte in enumerate(data or b'') for k in range(8) if byte >> k & 1]


def describe(path):
    with open(path, 'rb', buffering=0) as node:
        print('name', text(node, 6))
        print('ids', *('%04x' % n for n in struct.unpack('4H', read(node, 2, 8))))
        print('props', *bits(read(node, 9, 4)))
        types = bits(read(node, 0x20, 4))
        print('types', *types)
        for kind in types:
            if kind in CODES:
                print('codes', kind, *bits(read(node, 0x20 + kind, 96)))
        for axis in bits(read(node, 0x20 + ABS, 8)) if ABS in types else []:
            print('axis', axis, *struct.unpack('6i', read(node, 0x40 + axis, 24))[1:])


def events(node, count):
    while count > 0:
        data = node.read(EVENT.size * 4096)
        for at in range(0, len(data), EVENT.size):
            yield EVENT.unpack_from(data, at)[2:]
            count -= 1
            if count == 0:
                break


def show(path, count):
    with open(path, 'rb', buffering=0) as node:
        print('ready', flush=True)
        for event in events(node, count):
            print(*event, flush=True)


def sequence(path, count):
    number = frame = inside = 0
    with open(path, 'rb', buffering=0) as node:
        print('ready', flush=True)
        for kind, code, value in events(node, count):
            if inside <= frame % LONGEST:
                number, inside = number + 1, inside + 1
                right = (REL, 0, number)
            else:
                frame, inside = frame + 1, 0
                right = (SYN, 0, 0)
            if (kind, code, value) != right:
                print('wrong:', kind, code, value, 'instead of', *right)
                return
    print('right:', count)


def find(name):
    for path in glob.glob('/dev/input/event*'):
        with open(path, 'rb', buffering=0) as node:
            if text(node, 6) == name:
                print(path)
                return


def led(path, code, value):
    with open(path, 'wb', buffering=0) as node:
        node.write(EVENT.pack(0, 0, LED, code, value) + EVENT.pack(0, 0, SYN, 0, 0))


def allow(device, kind, codes):
    number = {KEY: 101, REL: 102, ABS: 103, MSC: 104, LED: 105, SND: 106, SW: 109}
    fcntl.ioctl(device, 1 << 30 | 4 << 16 | ord('U') << 8 | 100, kind)
    for code in codes:
        fcntl.ioctl(device, 1 << 30 | 4 << 16 | ord('U') << 8 | number[kind], code)


def axis(device, code, low, high, resolution):
    allow(device, ABS, [code])
    setup = struct.pack('Hxx6i', code, 0, low, high, 0, 0, resolution)
    fcntl.ioctl(device, 1 << 30 | len(setup) << 16 | ord('U') << 8 | 4, setup)


def make(device, name, kind):
    if kind == 'keyboard':
        allow(device, KEY, range(1, 249))
        allow(device, MSC, [4])
        allow(device, LED, range(3))
        allow(device, SND, [1, 2])
        fcntl.ioctl(device, 1 << 30 | 4 << 16 | ord('U') << 8 | 100, REP)
    else:
        allow(device, KEY, [0x14a])
        axis(device, 0, 0, 4095, 10)
        axis(device, MT_SLOT, 0, 9, 0)
        axis(device, 0x39, 0, 65535, 0)
        axis(device, 0x35, -10, 4095, 10)
        axis(device, 0x36, 0, 2047, 10)
        fcntl.ioctl(device, 1 << 30 | 4 << 16 | ord('U') << 8 | 110, 1)
    setup = struct.pack('4H80sI', 3, 0x1234, 0x5678, 0x111, name.encode(), 0)
    fcntl.ioctl(device, 1 << 30 | len(setup) << 16 | ord('U') << 8 | 3, setup)
    fcntl.ioctl(device, ord('U') << 8 | 1)


def uinput(name, kind, path):
    device = os.open('/dev/uinput', os.O_RDWR | os.O_NONBLOCK)
    make(device, name, kind)
    lines, rest = os.open(path, os.O_RDWR | os.O_NONBLOCK), b''
    print('ready', flush=True)
    while True:
        for fd in select.select([device, lines], [], [])[0]:
            if fd == device:
                data = os.read(device, EVENT.size * 64)
                for at in range(0, len(data), EVENT.size):
                    kind, code, value = EVENT.unpack_from(data, at)[2:]
                    if kind in (LED, SND):
                        print('led' if kind == LED else 'sound', code, value, flush=True)
                continue
            *whole, rest = (rest + os.read(lines, 65536)).split(b'\n')
            for line in whole:
                if line == b'gone':
                    return
                event = tuple(map(int, line.split()))
                os.write(device, EVENT.pack(0, 0, *event))
                if event[0] == SYN:
                    print('frame', flush=True)


def main():
    signal.alarm(240)
    what, *words = sys.argv[1:]
    if what in ('describe', 'find'):
        {'describe': describe, 'find': find}[what](words[0])
    elif what in ('events', 'sequence'):
        {'events': show, 'sequence': sequence}[what](words[0], int(words[1]))
    elif what == 'led':
        led(words[0], int(words[1]), int(words[2]))
    else:
        uinput(*words)


main()

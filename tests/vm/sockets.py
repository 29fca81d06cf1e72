#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Moves bytes over vsock or Unix sockets, inside and outside of a guest.

    sockets.py listen ADDRESS WHAT...   one connection after the other; says "ready"
    sockets.py connect ADDRESS WHAT...  a sink says "ready" when it is connected

ADDRESS is vsock:CID:PORT, unix:PATH, or hybrid:PATH:PORT (a client of the
host), with a + in front for messages (SEQPACKET). WHAT is

    source BYTES WRITE [N]   send so many bytes by writes of that size, N times anew
    sink [N]                 receive until the end, say how many bytes and their checksum
    echo [N]                 send everything back, and end when the other side did
    mirror BYTES WRITE [N]   the other side of echo: send, shut, compare until the end
    hold N                   N connections that stay until standard input ends
    stall SECONDS            receive nothing for so long, then be a sink
"""
import socket
import struct
import sys
import threading
import time
import zlib

WAIT = 60
READ = 1 << 18


def chunk(size, number):
    """Bytes that differ from write to write."""
    word = (number * 2654435761 & 0xffffffff).to_bytes(4, 'little')
    return (word * (size // 4 + 1))[:size]


def address(text):
    kind = socket.SOCK_SEQPACKET if text.startswith('+') else socket.SOCK_STREAM
    name, _, rest = text.lstrip('+').partition(':')
    return kind, name, rest


def make(kind, name):
    family = socket.AF_VSOCK if name == 'vsock' else socket.AF_UNIX
    s = socket.socket(family, kind)
    limit(s)
    return s


def limit(s):
    """Not by settimeout(): a message on a socket that does not block may be sent in part."""
    if s.family == socket.AF_VSOCK:
        return      # Python has no such option there
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        s.setsockopt(socket.SOL_SOCKET, option, struct.pack('ll', WAIT, 0))


def vsock_address(rest):
    cid, port = rest.split(':')
    return (socket.VMADDR_CID_ANY if cid == '*' else int(cid), int(port))


def greet(s, kind, port):
    s.sendall(b'CONNECT %s\n' % port.encode())
    line = s.recv(64) if kind == socket.SOCK_SEQPACKET else b''
    while not line.endswith(b'\n'):
        byte = s.recv(1)
        if not byte:
            raise ConnectionRefusedError('no OK')
        line += byte
    if not line.startswith(b'OK '):
        raise ConnectionRefusedError(line)


def connect(text):
    kind, name, rest = address(text)
    s = make(kind, name)
    if name == 'hybrid':
        path, _, port = rest.rpartition(':')
        s.connect(path)
        greet(s, kind, port)
    else:
        s.connect(vsock_address(rest) if name == 'vsock' else rest)
    return s


def source(s, size, write):
    total, number, crc = 0, 0, 0
    while total < size:
        data = chunk(min(write, size - total), number)
        s.sendall(data)
        crc = zlib.crc32(data, crc)
        total += len(data)
        number += 1
    s.shutdown(socket.SHUT_WR)
    return total, crc


def sink(s):
    total, crc = 0, 0
    while True:
        data = s.recv(READ)
        if not data:
            return total, crc
        crc = zlib.crc32(data, crc)
        total += len(data)


def echo(s):
    total, crc = 0, 0
    while True:
        data = s.recv(READ)
        if not data:
            s.shutdown(socket.SHUT_WR)
            return total, crc
        s.sendall(data)
        crc = zlib.crc32(data, crc)
        total += len(data)


def mirror(s, size, write):
    sent = []
    sender = threading.Thread(target=lambda: sent.append(source(s, size, write)))
    sender.start()
    got = sink(s)
    sender.join()
    if not sent or sent[0] != got:
        raise ValueError(f'sent {sent}, got {got}')
    return got


def say(result, start):
    seconds = time.monotonic() - start
    print(f'{result[0]} {result[1]:08x} {result[0] / seconds / 1e6:.0f} MB/s', flush=True)


def work(s, what, args):
    start = time.monotonic()
    if what == 'source':
        say(source(s, int(args[0]), int(args[1])), start)
        # The other side closes when it has all of it.
        s.recv(1)
    elif what == 'mirror':
        say(mirror(s, int(args[0]), int(args[1])), start)
    elif what == 'echo':
        echo(s)
    else:
        if what == 'stall':
            time.sleep(float(args[0]))
        say(sink(s), start)
    s.close()


def times(what, args):
    at = {'source': 2, 'mirror': 2, 'sink': 0, 'echo': 0}.get(what, 9)
    return int(args[at]) if len(args) > at else 1


def listen(text, what, args):
    kind, name, rest = address(text)
    s = make(kind, name)
    s.bind(vsock_address(rest) if name == 'vsock' else rest)
    s.listen(4096)
    print('ready', flush=True)
    held = []
    while what == 'hold' and len(held) < int(args[0]):
        held.append(s.accept()[0])
    if held:
        print(f'held {len(held)}', flush=True)
        sys.stdin.read()
        return
    for _ in range(times(what, args)):
        c, _ = s.accept()
        limit(c)
        work(c, what, args)


def main():
    role, text, what, *args = sys.argv[1:]
    if role == 'listen':
        listen(text, what, args)
    elif what == 'hold':
        held = [connect(text) for _ in range(int(args[0]))]
        print(f'held {len(held)}', flush=True)
        sys.stdin.read()
    else:
        for _ in range(times(what, args)):
            s = connect(text)
            if what == 'sink':
                print('ready', flush=True)
            work(s, what, args)


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        print(f'{type(error).__name__}: {error}', flush=True)
        sys.exit(1)

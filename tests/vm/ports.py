#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Moves bytes through a console or port, inside and outside of a guest.

    ports.py send ADDRESS BYTES [SEED]    bytes that are known from their place
    ports.py recv ADDRESS BYTES [SEED]    wait for them, and compare each
    ports.py mirror ADDRESS BYTES [SEED]  send them while they come back
    ports.py echo ADDRESS BYTES           send so many back
    ports.py drain ADDRESS BYTES          wait for so many, whatever they are
    ports.py feed ADDRESS BYTES           send so many zeros

ADDRESS is unix:PATH, tcp:PORT, or the path of a terminal or port, which is put
into raw mode. Says how many bytes, their checksum and rate.
"""
import os
import select
import socket
import stat
import sys
import termios
import threading
import time
import tty
import zlib

PIECE = 1 << 16
WAIT = 60


def block(number, seed):
    """PIECE bytes: none like the one before."""
    word = ((number + 1) * 2654435761 + seed & 0xffffffff).to_bytes(4, 'little')
    return (word + bytes([number & 255])) * (PIECE // 5) + b'x' * (PIECE % 5)


def dial(address):
    """A descriptor."""
    if address.startswith('unix:'):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address[5:])
        return s.detach()
    if address.startswith('tcp:'):
        return socket.create_connection(('127.0.0.1', int(address[4:]))).detach()
    fd = os.open(address, os.O_RDWR | os.O_NOCTTY)
    if stat.S_ISCHR(os.fstat(fd).st_mode) and os.isatty(fd):
        tty.setraw(fd, termios.TCSANOW)
    return fd


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def send(fd, size, seed):
    done = number = crc = 0
    while done < size:
        data = block(number, seed)[:size - done]
        write_all(fd, data)
        crc = zlib.crc32(data, crc)
        done += len(data)
        number += 1
    return done, crc


def read_some(fd, most):
    """A port without a client at the host reads as its end: then there will be one."""
    port = stat.S_ISCHR(os.fstat(fd).st_mode) and not os.isatty(fd)
    end = time.monotonic() + WAIT
    while select.select([fd], [], [], WAIT)[0]:
        data = os.read(fd, most)
        if data or not port or time.monotonic() > end:
            return data
        time.sleep(0.02)
    raise TimeoutError('nothing comes')


def recv(fd, size, seed):
    done = number = crc = 0
    while done < size:
        want = block(number, seed)[:size - done]
        got = b''
        while len(got) < len(want):
            part = read_some(fd, len(want) - len(got))
            if not part:
                raise EOFError(f'the end after {done + len(got)} bytes')
            got += part
        if got != want:
            at = next(i for i in range(len(want)) if got[i] != want[i])
            raise ValueError(f'byte {done + at}: {got[at:at + 16]!r}, not {want[at:at + 16]!r}')
        crc = zlib.crc32(got, crc)
        done += len(got)
        number += 1
    return done, crc


def mirror(fd, size, seed):
    sender = threading.Thread(target=send, args=(fd, size, seed), daemon=True)
    sender.start()
    result = recv(fd, size, seed)
    sender.join()
    return result


def echo(fd, size, _):
    done = crc = 0
    while done < size:
        data = read_some(fd, min(PIECE, size - done))
        if not data:
            raise EOFError(f'the end after {done} bytes')
        write_all(fd, data)
        crc = zlib.crc32(data, crc)
        done += len(data)
    return done, crc


def drain(fd, size, _):
    done, buf = 0, bytearray(1 << 18)
    while done < size and select.select([fd], [], [], WAIT)[0]:
        n = os.readv(fd, [memoryview(buf)[:size - done]])
        if not n:
            break
        done += n
    return done, 0


def feed(fd, size, _):
    zeros = bytes(1 << 18)
    for done in range(0, size, len(zeros)):
        write_all(fd, zeros[:size - done])
    return size, 0


def main():
    what, address, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    fd = dial(address)
    print('ready', flush=True)
    start = time.monotonic()
    done, crc = {'send': send, 'recv': recv, 'mirror': mirror, 'echo': echo,
                 'drain': drain, 'feed': feed}[what](fd, size, seed)
    seconds = time.monotonic() - start
    print(f'{done} {crc:08x} {done / seconds / 1e6:.1f} MB/s', flush=True)
    if os.isatty(fd):
        termios.tcdrain(fd)
    os.close(fd)


main()

# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Bytes a second and round trips between the host and guests, by turns.

    figures.py guest            serve at port 2000 of AF_VSOCK; says "ready"
    figures.py host PATH PATH   the --uds-path of two daemons, each with such a guest

Nothing here needs a half-closed connection, so that daemons without them can be
measured too: an order of fixed length says how many bytes come, and a byte goes
back when they have.
"""
import socket
import statistics
import sys
import threading
import time

PORT = 2000
ORDER = 32
WAIT = 10
READ = 1 << 20
ROUNDS = 5
TRIPS = 400
SIZES = ((1024, 4 << 20), (16384, 16 << 20), (65536, 16 << 20), (262144, 16 << 20))


def take(sock, count, buf):
    while count > 0:
        got = sock.recv_into(buf, min(count, len(buf)))
        if got == 0:
            raise ConnectionResetError('it ended early')
        count -= got


def give(sock, count, size):
    data = bytes(size)
    for _ in range(count // size):
        sock.sendall(data)


def bounce(sock, trips, buf):
    for _ in range(trips):
        take(sock, 64, buf)
        sock.sendall(buf[:64])


def obey(sock):
    buf = bytearray(READ)
    try:
        take(sock, ORDER, memoryview(buf)[:ORDER])
        word, count, size = buf[:ORDER].split()[:3]
        if word == b'take':
            take(sock, int(count), buf)
            sock.sendall(b'k')
        elif word == b'give':
            give(sock, int(count), int(size))
            take(sock, 1, buf)
        else:
            bounce(sock, int(count), buf)
            take(sock, 1, buf)
    except OSError:
        pass
    sock.close()


def guest():
    listener = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    listener.bind((socket.VMADDR_CID_ANY, PORT))
    listener.listen(5)
    print('ready', flush=True)
    while True:
        threading.Thread(target=obey, args=(listener.accept()[0],), daemon=True).start()


def call(path, order):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(WAIT)
    sock.connect(path)
    sock.sendall(b'CONNECT %d\n' % PORT)
    answer = b''
    while not answer.endswith(b'\n'):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionResetError('no OK')
        answer += byte
    sock.sendall(order.encode().ljust(ORDER))
    return sock


def to_guest(path, size, count):
    with call(path, f'take {count} {size}') as sock:
        start = time.monotonic()
        give(sock, count, size)
        take(sock, 1, bytearray(1))
        return count / (time.monotonic() - start) / 1e6


def from_guest(path, size, count):
    with call(path, f'give {count} {size}') as sock:
        start = time.monotonic()
        take(sock, count, bytearray(READ))
        rate = count / (time.monotonic() - start) / 1e6
        sock.sendall(b'k')
        return rate


def trips(path, size, count):
    took = []
    with call(path, f'trip {count} {size}') as sock:
        for _ in range(count):
            start = time.monotonic()
            sock.sendall(bytes(64))
            take(sock, 64, bytearray(64))
            took.append((time.monotonic() - start) * 1e6)
        sock.sendall(b'k')
    return statistics.median(took)


def measure(what, paths, size, count):
    """What each did in each round; a daemon that failed is not asked again."""
    seen = [[], []]
    for _ in range(ROUNDS):
        for path, list_ in zip(paths, seen):
            try:
                if None not in list_:
                    list_.append(what(path, size, count))
            except OSError:
                list_.append(None)
    return seen


def show(text, unit, seen):
    words = []
    for list_ in seen:
        words.append('failed' if None in list_ else f'{statistics.median(list_):.0f} {unit}')
    ratio = ''
    if 'failed' not in words:
        ratio = f', ratio {statistics.median(a / b for a, b in zip(*seen)):.2f}'
    print(f'{text}: {words[0]} and {words[1]}{ratio}', flush=True)


def host(paths):
    # The large writes last: the original loses places of its ring to them.
    show('round trip, p50', 'us', measure(trips, paths, 64, TRIPS))
    for size, count in SIZES:
        show(f'to the guest, writes of {size}', 'MB/s', measure(to_guest, paths, size, count))
    for size, count in SIZES:
        show(f'from the guest, writes of {size}', 'MB/s', measure(from_guest, paths, size, count))


if __name__ == '__main__':
    if sys.argv[1] == 'guest':
        guest()
    else:
        host(sys.argv[2:4])

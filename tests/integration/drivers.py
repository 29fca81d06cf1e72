#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The drivers of probe and bench that have another end: sockets, a bus, queues.

drivers.py EXECUTABLE. Speaks TAP.
"""
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import threading

from backends import EXE, Served, expect, play, run, until

DEADLINE = 60


@contextlib.contextmanager
def served(folder, device, name, *args):
    """A back end of ours; name is that of its first socket."""
    with Served(folder, device, [EXE, device, '-s', os.path.join(folder, device + '.sock'),
                                 *args], name) as path:
        yield path


def lacks(device):
    built = run(device, '--help').returncode == 0
    return None if built else f'{device} is not built'


# -- Sockets -----------------------------------------------------------------------

def guest_of(folder):
    return served(folder, 'vsock', 'vsock.sock', '--uds-path=' + os.path.join(folder, 'uds'))


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Other:
    """The end at the host: takes all until the end, then sends its own and ends."""

    def __init__(self, sends):
        self.sends, self.took, self.thread = sends, b'', None

    def start(self, conn):
        def work():
            with conn:
                conn.settimeout(DEADLINE)
                pieces = []
                while piece := conn.recv(65536):
                    pieces.append(piece)
                self.took = b''.join(pieces)
                conn.sendall(self.sends)
        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def finish(self):
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), 'the host is not done'


def both_ways(guest, other, sent):
    """What the guest sent came, and what the host sent; the counts are right."""
    out, said = guest.communicate(sent, timeout=DEADLINE)
    other.finish()
    assert guest.returncode == 0, said
    assert digest(other.took) == digest(sent), (len(other.took), len(sent))
    assert digest(out) == digest(other.sends), (len(out), len(other.sends))
    found = json.loads(said)
    assert found == {'bytes_sent': len(sent), 'bytes_received': len(out)}, found


def probe_vsock(path, *words):
    return subprocess.Popen([EXE, 'probe', '--json', 'vsock', path, *words],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


SIZES = [(0, 0), (1, 0), (0, 1), (3000001, 2000003)]


def vsock_connects(folder):
    if lacks('vsock'):
        return lacks('vsock')
    with guest_of(folder) as path, socket.socket(socket.AF_UNIX) as listener:
        expect(run('probe', 'vsock', path, 'connect', '1234'), 1, 'port 1234: the host refuses')
        expect(run('probe', 'vsock', path, 'connect', 'x'), 2, 'is no port')
        listener.bind(os.path.join(folder, 'uds_1234'))
        listener.listen()
        listener.settimeout(DEADLINE)
        for packed in [], ['--packed']:
            for sends, gets in SIZES:
                other = Other(os.urandom(gets))
                guest = probe_vsock(path, 'connect', '1234', *packed)
                other.start(listener.accept()[0])
                both_ways(guest, other, os.urandom(sends))
    return None


def call(folder, port):
    """A client of the host, once the guest listens."""
    conn = socket.socket(socket.AF_UNIX)
    conn.settimeout(DEADLINE)
    conn.connect(os.path.join(folder, 'uds'))
    line = b''
    try:
        conn.sendall(f'CONNECT {port}\n'.encode())
        while not line.endswith(b'\n') and (byte := conn.recv(1)):
            line += byte
    except ConnectionError:
        pass
    if line.startswith(b'OK '):
        return conn
    conn.close()
    return None


def vsock_listens(folder):
    if lacks('vsock'):
        return lacks('vsock')
    with guest_of(folder) as path:
        for packed in [], ['--packed']:
            for sends, gets in SIZES:
                other = Other(os.urandom(gets))
                guest = probe_vsock(path, 'listen', '77', *packed)
                taken = []
                until(lambda taken=taken: taken.append(call(folder, 77)) or taken[-1])
                assert call(folder, 78) is None, 'nobody listens at 78'
                other.start(taken[-1])
                # Input ends only when all of it went.
                both_ways(guest, other, os.urandom(sends))
    return None


def vsock_is_measured(folder):
    if lacks('vsock'):
        return lacks('vsock')
    uds = os.path.join(folder, 'uds')
    with guest_of(folder) as path:
        found = json.loads(expect(run('bench', path, '--device', 'vsock', '--uds-path', uds,
                                      '--seconds', '2', '--only', 'round', '--json',
                                      timeout=300), 0).stdout)
        assert found and all(name.startswith('round') for name in found), found
        for case in found.values():
            assert case['first']['per_second'] > 0 and case['socketpair']['per_second'] > 0
            assert 0 < case['first']['p50_us'] <= case['first']['p99_us'], case
            assert 'second' not in case and 'malformed_packets' not in case['first'], case
        expect(run('bench', path, '--uds-path', uds + 'x', '--seconds', '1', '--only', 'round'),
               1, 'round')
        expect(run('bench', path, '--device', 'vsock', '--requests', '200'), 0)
        expect(run('bench', path, '--device', 'vsock', '--queues', '2'), 2,
               '--queues 2: vsock takes load in 1')
        expect(run('bench', path, '--uds-path', uds, '--vs', path), 2, 'needs --vs-uds-path')
    return None


# -- A bus --------------------------------------------------------------------------

FRAMES = ['123#1122', '7FF#', '12345678#R4', '001#R0', '123##0AABB', '1FFFFFFF##0' + '5A' * 64]


def can_talks(folder):
    if lacks('can'):
        return lacks('can')
    control = os.path.join(folder, 'control')
    with served(folder, 'can', 'can.sock0', '-d', 'bus:a,own=on bus:a', '--control',
                control) as path:
        other = path[:-1] + '1'
        info = json.loads(expect(run('probe', 'can', path, 'info', '--json'), 0).stdout)
        assert info['classic'] and info['fd'] and info['remote'] and not info['bus_off'], info
        for packed in [], ['--packed']:
            with subprocess.Popen([EXE, 'probe', '--json', '--timeout', '60', 'can', other,
                                   'dump', str(len(FRAMES)), *packed],
                                  stdout=subprocess.PIPE, text=True) as dump:
                until(lambda: ' started\n' in run('control', control + '1', 'show').stdout)
                expect(run('probe', 'can', path, 'send', *FRAMES, *packed), 0,
                       f'sent:                  {len(FRAMES)}')
                frames = json.loads(dump.communicate(timeout=DEADLINE)[0])['frames']
            assert frames == FRAMES, frames
        expect(run('probe', 'can', other, 'dump', '2', '--timeout', '1'), 1, '0 frames came')
        for word in '123', '123#1', '123##0' + '00' * 65, 'x#', '123#R9':
            expect(run('probe', 'can', path, 'send', word), 2, 'is no frame')
        for word in '800#', '20000000#':
            expect(run('probe', 'can', path, 'send', word), 1, word + ': the device did not')
        # Both kinds of queues: one sends, the other receives the same.
        found = json.loads(expect(run('bench', path, '--device', 'can', '--queues', '2',
                                      '--requests', '500', '--json'), 0).stdout)
        assert found['load']['queues'] == 2 and found['result']['requests'] >= 500, found
        assert 'wrong_answers' not in found['result'], found
        expect(run('bench', path, '--device', 'can', '--queues', '3'), 2,
               '--queues 3: can takes load in 2')
    return None


# -- Queues --------------------------------------------------------------------------

def others_have_one(folder):
    """Queues of another kind get no load that is not meant for them."""
    for device, name, args in [
            ('gpio', 'gpio.sock0', ['-l', 's2']), ('i2c', 'i2c.sock0', ['-l', 's0:0x20']),
            ('input', 'input.sock0', ['-e', 'virtual:keyboard']), ('rtc', 'rtc.sock', []),
            ('console', 'console.sock0', ['-b', 'null'])]:
        if lacks(device):
            continue
        with served(folder, device, name, *args) as path:
            done = run('bench', path, '--device', device, '--queues', '2')
            assert done.returncode in (1, 2), f'{device}: {done.stdout}'
            assert 'takes load in 1' in done.stderr or 'has 1 queues, not 2' in done.stderr, \
                f'{device}: {done.stderr}'
            expect(run('bench', path, '--device', device, '--requests', '100'), 0)


play([vsock_connects, vsock_listens, vsock_is_measured, can_talks, others_have_one])

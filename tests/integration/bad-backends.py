#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The tools on back ends that close, stall, lie, babble or do not share the ring's view.

bad-backends.py EXECUTABLE. Speaks TAP. Whatever a back end does, a tool ends by
itself, says why, and is never ended by a signal.
"""
import array
import concurrent.futures
import json
import mmap
import os
import pty
import re
import select
import socket
import struct
import threading

from backends import (CONFIG, EXE, GET_CONFIG, GET_FEATURES, GET_PROTOCOL, GET_QUEUE_NUM, MQ,
                      PLAIN, Liar, expect, play, run)

SET_MEM_TABLE, SET_NUM, SET_ADDR, GET_BASE, SET_KICK, SET_CALL = 5, 8, 9, 11, 12, 13
SET_BACKEND_FD, NEED_REPLY, NOFD = 21, 8, 1 << 8
REPLY_ACK, BACKEND_REQ, INBAND = 1 << 3, 1 << 5, 1 << 14

TOOLS = {
    'probe': ['probe', '@'],
    'driver': ['probe', 'rng', '@', 'read', '64'],
    'bench': ['bench', '@', '--device', 'rng', '--requests', '20', '--seconds', '1'],
    'hostile': ['probe', '--hostile', '@', '--only', 'version 2'],
}


def tool(name, path, *more):
    words = [path if word == '@' else word for word in TOOLS[name]]
    return run(*words, *more, timeout=120)


class Device(Liar):
    """An entropy device on a split ring, as honest as its subclasses let it be."""

    protocol = MQ | REPLY_ACK

    def __init__(self, folder):
        super().__init__(folder, None)
        self.sock.listen(64)
        self.reset()

    def reset(self):
        self.messages, self.regions, self.seen = 0, [], 0
        self.size, self.addr, self.kick, self.call, self.fds = 0, None, -1, -1, []

    # What subclasses change.
    def misbehave(self, conn, number, request, needs_reply):
        """True: that was all; False: hang up; None: go on as one should."""

    def used(self, heads):
        """Entries of the used ring, and how far its index moves."""
        return [(head, 64) for head in heads], len(heads)

    def at(self, user, size):
        for start, length, memory, offset in self.regions:
            if start <= user and user + size <= start + length:
                return memory, user - start + offset
        raise OSError('outside of memory')

    def get(self, user, form):
        memory, off = self.at(user, struct.calcsize(form))
        return struct.unpack_from(form, memory, off)

    def put(self, user, form, *values):
        memory, off = self.at(user, struct.calcsize(form))
        struct.pack_into(form, memory, off, *values)

    def serve_ring(self):
        _, used, avail = self.addr
        index = self.get(avail + 2, '<H')[0]
        heads = []
        while self.seen != index and len(heads) < self.size:
            heads.append(self.get(avail + 4 + 2 * (self.seen % self.size), '<H')[0])
            self.seen = (self.seen + 1) & 0xffff
        entries, moves = self.used(heads)
        at = self.get(used + 2, '<H')[0]
        for i, entry in enumerate(entries):
            self.put(used + 4 + 8 * ((at + i) % self.size), '<II', *entry)
        self.put(used + 2, '<H', (at + moves) & 0xffff)
        os.write(self.call, struct.pack('=Q', 1))

    def set_memory(self, body, fds):
        for i, fd in enumerate(fds):
            _, size, user, offset = struct.unpack_from('=QQQQ', body, 8 + 32 * i)
            self.regions.append((user, size, mmap.mmap(fd, size + offset), offset))

    def learn(self, request, body, fds):
        if request == SET_MEM_TABLE:
            self.set_memory(body, fds)
        elif request == SET_NUM:
            self.size = struct.unpack('=II', body)[1]
        elif request == SET_ADDR:
            self.addr = struct.unpack_from('=QQQ', body, 8)
        elif request == SET_KICK and fds:
            self.kick = fds[0]
        elif request == SET_CALL and fds:
            self.call = fds[0]

    def answer(self, request, body):
        values = {GET_FEATURES: PLAIN, GET_PROTOCOL: self.protocol, GET_QUEUE_NUM: 1}
        if request in values:
            return struct.pack('=Q', values[request])
        if request == GET_BASE:
            return struct.pack('=II', 0, self.seen)
        return None

    def one_message(self, conn):
        head, anc, _, _ = conn.recvmsg(12, 4096)
        head += conn.recv(12 - len(head), socket.MSG_WAITALL) if 0 < len(head) < 12 else b''
        if len(head) < 12:
            return False
        request, flags, size = struct.unpack('=III', head)
        fds = array.array('i')
        for _, _, data in anc:
            fds.frombytes(data[:len(data) - len(data) % 4])
        self.fds += fds
        body = conn.recv(size, socket.MSG_WAITALL) if size else b''
        reply = self.answer(request, body)
        needs_reply = reply is not None or bool(flags & NEED_REPLY)
        self.messages += 1
        done = self.misbehave(conn, self.messages, request, needs_reply)
        if done is not None:
            return done
        self.learn(request, body, fds)
        if needs_reply:
            say(conn, request, reply if reply is not None else bytes(8))
        return True

    def talk(self, conn):
        self.reset()
        try:
            while True:
                ready = select.select([conn] + [self.kick] * (self.kick >= 0), [], [])[0]
                if self.kick in ready:
                    os.read(self.kick, 8)
                    if self.addr is not None:
                        self.serve_ring()
                if conn in ready and not self.one_message(conn):
                    return
        finally:
            self.addr = None
            for fd in self.fds:
                os.close(fd)


def say(conn, request, payload, flags=5, size=None, fds=()):
    size = len(payload) if size is None else size
    socket.send_fds(conn, [struct.pack('=III', request, flags, size) + payload], list(fds))


# -- One message that goes wrong -------------------------------------------------

def close(_conn, _request):
    return False


def stall(conn, _request):
    # Until the tool gives up.
    while conn.recv(4096):
        pass
    return False


def other_request(conn, request):
    say(conn, request + 1, bytes(8))


def other_flags(conn, request):
    say(conn, request, bytes(8), flags=1)


def too_short(conn, request):
    say(conn, request, bytes(4))


def too_long(conn, request):
    say(conn, request, bytes(4000))


def announces_more(conn, request):
    say(conn, request, bytes(8), size=64)


def announces_4_gib(conn, request):
    say(conn, request, bytes(8), size=0xffffffff)


def with_descriptor(conn, request):
    say(conn, request, bytes(8), fds=[0])


def with_many(conn, request):
    say(conn, request, bytes(8), fds=[0] * 100)


def babbles(conn, _request):
    while True:
        say(conn, GET_BASE, bytes(8))


FAULTS = [close, stall, other_request, other_flags, too_short, too_long, announces_more,
          announces_4_gib, with_descriptor, with_many, babbles]


class Faulty(Device):
    def __init__(self, folder, fault, at):
        super().__init__(folder)
        self.fault, self.wrong_at, self.was_asked = fault, at, False

    def misbehave(self, conn, number, request, needs_reply):
        if number != self.wrong_at:
            return None
        self.was_asked = needs_reply
        return False if self.fault(conn, request) is False else needs_reply or None


def count_messages(folder, name):
    """Those of a first session that goes well."""
    counts = []

    class Counting(Device):
        def reset(self):
            if getattr(self, 'messages', 0) > 0:
                counts.append(self.messages)
            super().reset()

    with Counting(folder) as path:
        expect(tool(name, path), 0)
        # Another session ends the count of the first.
        expect(tool(name, path), 0)
    return counts[0]


def try_fault(folder, name, fault, number):
    folder = os.path.join(folder, f'{name}-{fault.__name__}-{number}')
    os.mkdir(folder)
    device = Faulty(folder, fault, number)
    with device as path:
        done = tool(name, path, '--timeout', '1')
    where = f'{name}, message {number}, {fault.__name__}: '
    assert done.returncode in (0, 1), f'{where}exit {done.returncode}: {done.stderr}'
    assert (done.returncode == 1) == (done.stderr != ''), where + done.stderr
    # Only what was said with the last messages, of a stop, may go unheard.
    return done.returncode == 1 or not device.was_asked


def faults_of(folder, name):
    n = count_messages(folder, name)
    # What follows the first stop of a queue is good-bye.
    last = n if name in ('probe', 'hostile') else n - 2
    numbers = range(1, last + 1)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = {(fault.__name__, number): pool.submit(try_fault, folder, name, fault, number)
                for fault in FAULTS for number in numbers}
        heard = {key: job.result() for key, job in jobs.items()}
    assert all(heard.values()), [key for key, good in heard.items() if not good]


def closed_after_each_message(folder):
    """The error names the message after which it was."""
    for name in 'probe', 'driver', 'bench':
        count = count_messages(folder, name)
        for number in range(1, count + 1 if name == 'probe' else count - 1):
            device = Faulty(folder, close, number)
            with device as path:
                said = expect(tool(name, path, '--timeout', '20'), 1, 'hung up').stderr
            named = int(re.search(r'message (\d+) \(\w+\): the back end', said).group(1))
            # Without an answer to wait for, it is noticed later.
            assert named == number if device.was_asked else named >= number, \
                f'{name}, closed after message {number}: {said}'


def probe_at_every_message(folder):
    faults_of(folder, 'probe')


def driver_at_every_message(folder):
    faults_of(folder, 'driver')


def bench_at_every_message(folder):
    faults_of(folder, 'bench')


def hostile_at_every_message(folder):
    faults_of(folder, 'hostile')


# -- A ring that goes wrong --------------------------------------------------------

def rings(folder, used, texts):
    class Wrong(Device):
        def used(self, heads):
            return used(heads)

    with Wrong(folder) as path:
        for name in 'driver', 'bench':
            expect(tool(name, path, '--timeout', '1'), 1, *texts)


def claims_more_than_fits(folder):
    rings(folder, lambda heads: ([(head, 0xffffffff) for head in heads], len(heads)),
          ['claims 4294967295 bytes written'])


def answers_what_was_not_asked(folder):
    rings(folder, lambda heads: ([(head + 3, 8) for head in heads], len(heads)),
          ['which it does not hold'])
    rings(folder, lambda heads: ([(0xfffffff0, 8) for head in heads], len(heads)),
          ['which it does not hold'])


def index_leaps(folder):
    rings(folder, lambda heads: ([], 1000), ['requests and holds'])


def calls_without_an_answer(folder):
    class Nagging(Device):
        def used(self, heads):
            nagged = os.dup(self.call)

            def nag():
                try:
                    while select.select([], [], [], 0.0001)[0] == [] and self.addr is not None:
                        os.write(nagged, struct.pack('=Q', 1))
                finally:
                    os.close(nagged)
            threading.Thread(target=nag, daemon=True).start()
            return [], 0

    with Nagging(folder) as path:
        expect(tool('driver', path, '--timeout', '1'), 1, 'within 1000 ms')
        expect(tool('bench', path, '--timeout', '1'), 1, 'within 1000 ms')


def leaves_with_the_request(folder):
    """The driver hears of it at once, not when the time is over."""
    class Leaving(Device):
        def used(self, heads):
            raise OSError('gone')

    with Leaving(folder) as path:
        expect(tool('driver', path, '--timeout', '600'), 1, 'hung up')
        expect(tool('bench', path, '--timeout', '600'), 1, 'hung up')


def floods_its_channel(folder):
    class Flooding(Device):
        protocol = MQ | REPLY_ACK | BACKEND_REQ | INBAND

        def __init__(self, folder, what):
            super().__init__(folder)
            self.what = what

        def learn(self, request, body, fds):
            if request != SET_BACKEND_FD:
                super().learn(request, body, fds)
                return
            channel = socket.socket(fileno=os.dup(fds[0]))

            def flood():
                try:
                    while True:
                        channel.sendall(self.what)
                except OSError:
                    channel.close()
            threading.Thread(target=flood, daemon=True).start()

    for what, text in [
            (struct.pack('=IIIII', 4, 1, 8, 0, 0), 'within 1000 ms'),
            (struct.pack('=IIIII', 4, 1, 8, 255, 0), 'within 1000 ms'),
            (struct.pack('=III', 4, 1, 0xffffffff), 'announced'),
            (struct.pack('=III', 4, 7, 0), 'flags')]:
        with Flooding(folder, what) as path:
            expect(tool('bench', path, '--inband', '--timeout', '1'), 1, text)


def hangs_for_good(folder):
    """No further case is tried where not even a fresh session is answered."""
    class Hanging(Device):
        sessions = 0

        def reset(self):
            self.sessions += 1
            super().reset()

        def misbehave(self, conn, number, request, needs_reply):
            # Two to begin with, that of the first case, and one to see what became of it.
            return stall(conn, request) if self.sessions > 4 else None

    with Hanging(folder) as path:
        found = expect(run('probe', '--hostile', path, '--only', 'with a body', '--timeout', '1',
                           '--json', timeout=120), 1, 'hung in 1, for good')
        assert json.loads(found.stdout)['hung'] == 1


# -- Long runs -----------------------------------------------------------------------

def progress_is_shown(folder):
    """On a terminal, and to nobody else."""
    with Device(folder) as path:
        words = [EXE, 'bench', path, '--device', 'rng', '--seconds', '2']
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(EXE, words)
        said = b''
        try:
            while chunk := os.read(terminal, 4096):
                said += chunk
        except OSError:
            pass        # the end, of a terminal
        os.close(terminal)
        assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 0, said
        shown = [line for line in said.split(b'\r') if b' of 2 s, ' in line]
        assert len(shown) == 9 and b'requests a second' in shown[0], said
        # It is wiped before the result comes.
        assert said.rindex(b' of 2 s') < said.rindex(b'\x1b[K') < said.index(b'load:'), said
        quiet = run('bench', path, '--device', 'rng', '--seconds', '2')
        assert quiet.returncode == 0 and quiet.stderr == '', quiet.stderr


def is_like(value, shape):
    """shape: a type, {key: shape} with all keys, [shape] for any number."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(
            key in value and is_like(value[key], inner) for key, inner in shape.items())
    if isinstance(shape, list):
        return isinstance(value, list) and all(is_like(item, shape[0]) for item in value)
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))


NUMBER = (int, float)
BITS = {'value': str, 'names': [str]}
DESCRIPTION = {'socket': str, 'device': {'guessed': bool, 'could_be': [str]}, 'features': BITS,
               'protocol_features': BITS, 'queue_use': str, 'unusual': [str]}
LOAD = {'device': str, 'readable_bytes': int, 'writable_bytes': int, 'depth': int, 'queues': int,
        'queue_size': int, 'ring': str, 'indirect': bool, 'event_idx': bool, 'in_band': bool}
RESULT = {'socket': str, 'requests': int, 'seconds': NUMBER, 'requests_per_second': NUMBER,
          'bytes_per_second': NUMBER, 'process': int, 'cpu_seconds': NUMBER,
          'cpu_us_per_request': NUMBER,
          'latency_us': {key: NUMBER for key in ('p50', 'p90', 'p99', 'p99.9', 'max', 'mean')},
          'histogram': [{'from_ns': int, 'to_ns': int, 'count': int}]}
HOSTILE = {'cases': [{'case': str, 'verdict': str}], 'survived': int, 'closed_the_session': int,
           'died': int, 'hung': int}


def json_has_its_shape(folder):
    with Device(folder) as path:
        for name, more, shape in [
                ('probe', [], DESCRIPTION),
                ('probe', ['--id', 'net'], DESCRIPTION),
                ('driver', [], {'bytes': int, 'requests': int, 'shortest_answer': int,
                                'seconds': NUMBER, 'megabytes_per_second': NUMBER,
                                'ones': NUMBER, 'chi_square': NUMBER}),
                ('bench', [], {'load': LOAD, 'result': RESULT}),
                ('bench', ['--rate', '50'], {'load': dict(LOAD, rate=int), 'result': RESULT}),
                ('hostile', [], HOSTILE)]:
            found = json.loads(expect(tool(name, path, '--json', *more), 0).stdout)
            assert is_like(found, shape), f'{name} {more}: {found}'
    second = os.path.join(folder, 'second')
    os.mkdir(second)
    with Device(folder) as path, Device(second) as other:
        found = json.loads(expect(tool('bench', path, '--vs', other, '--json'), 0).stdout)
        assert is_like(found, {'load': LOAD, 'first': RESULT, 'second': RESULT,
                               'second_to_first': {'requests_per_second': NUMBER}}), found


play([closed_after_each_message, probe_at_every_message, driver_at_every_message,
      bench_at_every_message, hostile_at_every_message, claims_more_than_fits,
      answers_what_was_not_asked, index_leaps, calls_without_an_answer, leaves_with_the_request,
      floods_its_channel, hangs_for_good, progress_is_shown, json_has_its_shape])

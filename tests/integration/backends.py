# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Running the executable, and back ends for it: real ones, and scripted ones that lie."""
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

EXE = os.path.abspath(sys.argv[1])
GET_FEATURES, GET_PROTOCOL, GET_QUEUE_NUM, GET_CONFIG = 1, 15, 17, 24
PLAIN = 1 << 32 | 1 << 30
MQ, CONFIG = 1, 1 << 9


def run(*args, timeout=60):
    return subprocess.run([EXE, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors='replace',
                          timeout=timeout, check=False)


def expect(done, code, *texts):
    said = done.stdout + done.stderr
    assert done.returncode == code, f'exit {done.returncode}: {said}'
    for text in texts:
        assert text in said, f'no "{text}" in: {said}'
    return done


def until(true, why=lambda: 'too late', seconds=30):
    """Looks again and again, up to a deadline."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, why()
        select.select([], [], [], 0.01)


def listens(path):
    """Is somebody there? A socket has its name before it takes connections."""
    with open('/proc/net/unix', encoding='utf-8', errors='replace') as table:
        rows = (line.split(None, 7) for line in table)
        return any(len(row) == 8 and row[7].strip() == path and row[3] == '00010000'
                   for row in rows)


class Served:
    """A back end in a child, ready when it listens."""

    def __init__(self, folder, name, args, path):
        self.path = os.path.join(folder, path)
        self.log = open(os.path.join(folder, name + '.log'), 'w+', encoding='utf-8')
        self.child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=self.log,
                                      stderr=self.log)
        until(lambda: listens(self.path) or self.child.poll() is not None, self.said)
        assert self.child.poll() is None, self.said()

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait(30)
        self.log.close()


class Liar:
    """A scripted back end: behave(connection, request, body) answers one message."""

    def __init__(self, folder, behave):
        self.path = os.path.join(folder, 'liar')
        self.behave = behave
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(self.path)
        self.sock.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            with conn:
                try:
                    self.talk(conn)
                except (OSError, struct.error):
                    pass

    def talk(self, conn):
        while True:
            head = conn.recv(12, socket.MSG_WAITALL)
            if len(head) < 12:
                return
            request, _, size = struct.unpack('=III', head)
            body = conn.recv(size, socket.MSG_WAITALL) if size else b''
            if self.behave(conn, request, body) is False:
                return

    def __enter__(self):
        self.thread.start()
        return self.path

    def __exit__(self, *_):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join(10)
        os.unlink(self.path)


def reply(conn, request, payload):
    conn.sendall(struct.pack('=III', request, 5, len(payload)) + payload)


def honest(conn, request, _, features=PLAIN, protocol=MQ, queues=1):
    values = {GET_FEATURES: features, GET_PROTOCOL: protocol, GET_QUEUE_NUM: queues}
    if request in values:
        reply(conn, request, struct.pack('=Q', values[request]))


class Skip(Exception):
    """Why a case cannot be played here."""


def play(cases):
    """Each, a function or (name, function), gets an empty folder and may return why it
    was skipped. Speaks TAP, and ends the process."""
    failed = 0
    cases = [case if isinstance(case, tuple) else (case.__name__, case) for case in cases]
    print(f'1..{len(cases)}')
    for number, (name, case) in enumerate(cases, 1):
        folder = tempfile.mkdtemp(prefix='case-')
        try:
            skip = case(folder)
            print(f'ok {number} - {name}' + (f' # SKIP {skip}' if skip else ''))
        except Skip as why:
            print(f'ok {number} - {name} # SKIP {why}')
        except Exception:       # pylint: disable=broad-except
            failed += 1
            text = traceback.format_exc().rstrip().replace('\n', '\n# ')
            print(f'not ok {number} - {name}\n# {text}')
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        sys.stdout.flush()
    sys.exit(failed != 0)

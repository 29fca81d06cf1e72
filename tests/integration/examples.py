# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""What the pages tell to type is right: examples.py EXE ROOT.

The examples of man/*.inc and of README.md: command lines and INI files are
understood, the options of QEMU make a machine, and a shell session gives what
is printed there, but for numbers. Results as TAP.
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from backends import Skip, play

EXE, ROOT = os.path.realpath(sys.argv[1]), os.path.realpath(sys.argv[2])
DEADLINE = 60
# This is looked at behind all that can be wrong with options and files, and
# before anything is opened.
DRY = ['--ready-fd', '9999']
UNDERSTOOD = '--ready-fd 9999 is not an open file'
FENCE = re.compile(r'(?ms)^```(\w*)\n(.*?)^```$')
QEMU = shutil.which('qemu-system-x86_64')
# What a reader puts in, and what would get in the way; with the number of values.
LEFT_OUT = {'-kernel': 1, '-initrd': 1, '-append': 1, '-nographic': 0, 'qemu-system-x86_64': 0}


def run(words, where, text=''):
    return subprocess.run(words, cwd=where, check=False, timeout=DEADLINE, encoding='utf-8',
                          input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


def listed(column, words):
    return [line.split()[0] for line in run([EXE, *words], ROOT).splitlines()
            if column in line.split()]


DEVICES = listed('yes', ['list'])
TOOLS = re.search(r'(?m)^tools:(.*)', run([EXE, '--features'], ROOT)).group(1).split()


def blocks(path):
    """Language and text of what is set as it is typed."""
    with open(os.path.join(ROOT, path), encoding='utf-8') as f:
        text = f.read()
    if path.endswith('.inc'):
        text = run([os.path.join(ROOT, 'man/to-markdown')], ROOT, text)
    return [(kind, block.replace('\\\n', '')) for kind, block in FENCE.findall(text)]


def moved(text, where):
    """The same with its sockets in a folder of the test."""
    return re.sub(r'/run/(?:vm/)?', where + '/', text)


# --- one example each ------------------------------------------------------

def check_file(block, where):
    path = os.path.join(where, 'f.ini')
    with open(path, 'w', encoding='utf-8') as f:
        f.write(moved(block, where))
    out = run([EXE, 'run', path, *DRY], where)
    assert UNDERSTOOD in out, out


def check_command(line, where):
    """vhost-device NAME ..., or vhost-device-NAME ..."""
    words = shlex.split(re.sub(r'^vhost-device[- ]', '', moved(line, where)))
    tool = words[0] in TOOLS
    out = run([EXE, *words, *([] if tool else DRY)], where)
    assert ('no such socket' if tool else UNDERSTOOD) in out, out


def same(text):
    return [re.sub(r'\d+(\.\d+)?', 'N', ' '.join(line.split())) for line in text.splitlines()]


class Session:
    """What stands behind each $, with what has to come of it."""
    def __init__(self, block, where):
        self.where, self.servers = where, []
        self.steps = [step.partition('\n') for step in
                      re.split(r'(?m)^\$ ', moved(block, where))[1:]]

    def __enter__(self):
        try:
            for command, _, want in self.steps:
                self.step(command, want)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.terminate()
            server.wait(DEADLINE)

    def step(self, command, want):
        words = [EXE if word == 'vhost-device' else word for word in shlex.split(command)]
        if words[-1] == '&':
            self.serve(words[:-1])
            return
        out = run(words, self.where)
        assert same(out) == same(want), f'{command}: {out!r} is not {want!r}'

    def serve(self, words):
        read, write = os.pipe()
        with os.fdopen(read) as ready:
            self.servers.append(subprocess.Popen([*words, '--ready-fd', str(write)],
                                                 cwd=self.where, pass_fds=[write]))
            os.close(write)
            assert ready.readline(), 'it is not ready'


def check_session(block, where):
    with Session(block, where):
        pass


def machine(block, where):
    words, kept = shlex.split(moved(block, where)), []
    while words:
        word = words.pop(0)
        if word in LEFT_OUT:
            del words[:LEFT_OUT[word]]
        else:
            kept.append(word)
    return kept


def check_machine(block, session, where):
    """The session of the page makes the device; there it needs no hardware."""
    if session is None:
        raise Skip('the page has no session that makes the device without hardware')
    if QEMU is None:
        raise Skip('no qemu-system-x86_64')
    device = re.search(r'-device ([\w-]+)', block).group(1)
    if f'"{device}"' not in run([QEMU, '-device', 'help'], where):
        raise Skip(f'this QEMU has no {device}')
    with Session(session, where):
        out = run([QEMU, *machine(block, where), '-nodefaults', '-display', 'none', '-S',
                   '-qmp', 'stdio'], where,
                  '{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n')
    assert out.count('{"return": {}}') == 2, out


# --- which there are -------------------------------------------------------

def examples_of(path, session):
    for kind, block in blocks(path):
        device = re.search(r'-device vhost-user-', block)
        if kind == 'ini':
            yield 'file', lambda where, b=block: check_file(b, where)
        elif kind == 'console':
            yield 'session', lambda where, b=block: check_session(b, where)
        elif device is not None:
            yield 'machine', lambda where, b=block: check_machine(b, session, where)
        for line in block.splitlines() if kind == 'sh' and device is None else []:
            yield 'command', lambda where, b=line: check_command(b, where)


def has_all(kinds):
    def check(_):
        assert {'file', 'machine'} <= kinds, f'it has only {sorted(kinds)}'
        if 'session' not in kinds:
            raise Skip('it has no session yet')
    return check


def examples():
    for page in [*DEVICES, *TOOLS, 'ini-end', 'README']:
        path = 'README.md' if page == 'README' else f'man/{page}.inc'
        source = 'man/rng.inc' if page == 'README' else path
        kinds = set()
        session = next((block for kind, block in blocks(source) if kind == 'console'), None)
        for number, (kind, check) in enumerate(examples_of(path, session), 1):
            kinds.add(kind)
            yield f'{path}: {kind}, example {number}', check
        if page in DEVICES:
            yield f'{path}: a file, a session and a machine', has_all(kinds)


play(list(examples()))

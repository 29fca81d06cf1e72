#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""A user who may not: what is said of it, and who is not disturbed.

permissions.py EXECUTABLE. Speaks TAP. Needs root, to become somebody else.
"""
import os
import pwd
import shutil
import signal
import stat
import subprocess

from backends import EXE, Skip, expect, listens, play, run, until

DEADLINE = 60
ADVICE = 'this user may not: change its owner or mode, or the user'


def place(folder):
    """A program that nobody may start, a folder of its own, and things that it may not use."""
    if os.geteuid() != 0:
        raise Skip('only root becomes somebody else')
    try:
        nobody = pwd.getpwnam('nobody')
    except KeyError as why:
        raise Skip('there is no user nobody') from why
    os.chmod(folder, 0o711)
    shutil.copy(EXE, os.path.join(folder, 'vhost-device'))
    os.chmod(os.path.join(folder, 'vhost-device'), 0o755)
    os.mkdir(os.path.join(folder, 'own'))
    os.chown(os.path.join(folder, 'own'), nobody.pw_uid, nobody.pw_gid)
    os.mkdir(os.path.join(folder, 'shut'), 0o700)
    with open(os.path.join(folder, 'node'), 'wb'):
        os.chmod(os.path.join(folder, 'node'), 0)
    return nobody


def start(folder, nobody, *words):
    return subprocess.Popen([os.path.join(folder, 'vhost-device'), *words], cwd=folder,
                            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


# Words, what the line says; {0} is the folder. Each has what failed, on what, why, what to do.
REFUSALS = [
    (['rng', '-s', '{0}/shut/s'], ['socket {0}/shut/s0: ', 'Permission denied',
                                   'use a folder that this user may write to']),
    (['rng', '-s', '{0}/s'], ['socket {0}/s0: ', 'Permission denied',
                              'use a folder that this user may write to']),
    (['rng', '-s', '{0}/own/s', '--control', '{0}/shut/c'],
     ['socket {0}/shut/c: ', 'Permission denied', 'use a folder']),
    (['rng', '-s', '{0}/own/s', '--rng-source', '{0}/node'],
     ['cannot open {0}/node: Permission denied', ADVICE]),
    (['spi', '-s', '{0}/own/s', '-l', '{0}/node'],
     ['--device: cannot open {0}/node: Permission denied', ADVICE]),
    (['spi', '-s', '{0}/own/s', '-l', 's0.0:nor:file={0}/node'],
     ['cannot open {0}/node: Permission denied', ADVICE]),
    (['input', '-s', '{0}/own/s', '-e', '{0}/node'],
     ['{0}/node: Permission denied', 'members of the group input']),
    (['vsock', '-s', '{0}/own/s', '--uds-path={0}/shut/u'],
     ['--uds-path {0}/shut/u: Permission denied', 'use a folder that this user may write to']),
]


def built(word):
    return run(word, '--help').returncode == 0


def refused(folder, words, texts):
    nobody = place(folder)
    if not built(words[0]):
        raise Skip(f'{words[0]} is not built')
    with start(folder, nobody, *[word.format(folder) for word in words]) as child:
        out, said = child.communicate(timeout=DEADLINE)
    assert child.returncode == 1 and out == '', f'exit {child.returncode}: {out}{said}'
    assert said.count('\n') == 1, said
    for text in texts:
        assert text.format(folder) in said, f'no "{text.format(folder)}" in: {said}'
    assert os.listdir(os.path.join(folder, 'own')) == [], 'something was left'


def refusals():
    for words, texts in REFUSALS:
        yield (' '.join(words).replace('{0}/', ''),
               lambda folder, words=words, texts=texts: refused(folder, words, texts))


def node_of_i2c_is_refused(folder):
    """The adapter is there, with the mode that a kernel gives it."""
    nobody = place(folder)
    if not built('i2c'):
        return 'i2c is not built'
    path = '/dev/i2c-9731'
    try:
        os.mknod(path, stat.S_IFCHR, os.makedev(89, 9731))
    except OSError as why:
        return f'no node can be made: {why}'
    try:
        with start(folder, nobody, 'i2c', '-s', folder + '/own/s', '-l', '9731:0x20') as child:
            said = child.communicate(timeout=DEADLINE)[1]
        assert child.returncode == 1 and said.count('\n') == 1, said
        assert f'cannot open {path}: Permission denied' in said and ADVICE in said, said
    finally:
        os.unlink(path)
    return None


def others_are_not_hurt(folder):
    """One that may not is left out when the file is read again; the others serve on."""
    nobody = place(folder)
    own = os.path.join(folder, 'own')
    path = os.path.join(folder, 'f.ini')

    def write(more):
        with open(path, 'w', encoding='utf-8') as file:
            file.write(f'[rng "good"]\nsocket-path = {own}/good\n{more}')

    def both():
        return all(listens(os.path.join(own, name)) for name in ('good', 'late'))

    write('')
    with start(folder, nobody, 'run', path, '--log-level', 'info') as child:
        try:
            until(lambda: listens(own + '/good') or child.poll() is not None)
            write(f'[rng "bad"]\nsocket-path = {own}/bad\nrng-source = {folder}/node\n'
                  f'[rng "late"]\nsocket-path = {own}/late\n')
            child.send_signal(signal.SIGHUP)
            until(lambda: both() or child.poll() is not None)
            assert child.poll() is None, child.communicate()
            for name in 'good', 'late':
                expect(run('probe', 'rng', os.path.join(own, name), 'read', '4K'), 0, '4096')
        finally:
            child.terminate()
            said = child.communicate(timeout=DEADLINE)[1]
    assert child.returncode == 0, said
    lines = [line for line in said.splitlines() if 'cannot be opened' in line]
    assert len(lines) == 1 and 'bad' in lines[0] and 'Permission denied' in lines[0], said
    assert 'bad' not in ' '.join(os.listdir(own)), os.listdir(own)
    # At the start nothing is half done: all of them or none.
    with start(folder, nobody, 'run', path) as child:
        said = child.communicate(timeout=DEADLINE)[1]
    assert child.returncode == 1 and said.count('\n') == 1 and 'Permission denied' in said, said
    assert os.listdir(own) == [], os.listdir(own)


play([*refusals(), node_of_i2c_is_refused, others_are_not_hurt])

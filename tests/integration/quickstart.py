# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""./quickstart keeps what README.md promises of it: quickstart.py ROOT FOLDER

It runs in a copy of the tree below FOLDER, as in a fresh clone; the copy's build
folder is kept for the next time. Exit 77: no guest can be had here.
"""
import glob
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '../lint'))
import lint

# What a person is to see, in this order.
SAYS = [
    r'^Building vhost-device: done',
    r'^Booting a Linux guest \(.*\): done',
    r'^A guest booted and read from its /dev/hwrng, which build/vhost-device rng feeds:$',
    r'^    Linux \d+\.\d+',
    r'^    current source: virtio_rng',
    r'^    262144 bytes in [\d.]+ s, \d+ KiB/s$',
    r'^What to type next:$',
]
NEXT = re.compile(r'(?m)^    ((?:build/|\./)\S+(?: \S+)*)  ')


def refresh(root, copy):
    """The files of ROOT with their times, so that only changes are built again."""
    for name in os.listdir(copy):
        path = os.path.join(copy, name)
        if os.path.isdir(path) and not os.path.islink(path):
            if name != 'build':
                shutil.rmtree(path)
        else:
            os.unlink(path)
    for name in lint.files(root):
        os.makedirs(os.path.dirname(os.path.join(copy, name)), exist_ok=True)
        shutil.copy2(os.path.join(root, name), os.path.join(copy, name), follow_symlinks=False)


def run(copy, *words):
    done = subprocess.run(words, cwd=copy, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, encoding='utf-8',
                          errors='replace', env=dict(os.environ, LOGS=copy + '-log'))
    return done.returncode, done.stdout, done.stderr


def left_running(program):
    found = []
    for link in glob.glob('/proc/[0-9]*/exe'):
        try:
            if os.readlink(link) == program:
                found.append(link.split('/')[2])
        except OSError:
            pass
    return found


def faults(copy):
    code, out, err = run(copy, './quickstart')
    print(out + err)
    if code != 0:
        yield f'it ends with {code}'
    if err:
        yield 'it complains'
    place = 0
    for pattern in SAYS:
        seen = re.compile(pattern, re.M).search(out, place)
        if seen is None:
            yield f'it does not say, in its place: {pattern}'
        else:
            place = seen.end()
    left = left_running(os.path.join(os.path.realpath(copy), 'build/vhost-device'))
    if left:
        yield f'it leaves processes: {" ".join(left)}'
    hints = NEXT.findall(out)
    if len(hints) != 3:
        yield f'it names {len(hints)} commands to type next'
    for hint in hints:
        words = hint.split()
        # Not the tests within the tests.
        if words[0] == './run-tests' and os.access(os.path.join(copy, words[0]), os.X_OK):
            continue
        code, out, err = run(copy, *words)
        if code != 0 or not out:
            yield f'{hint} ends with {code} and says {out + err!r}'
    code, out, err = run(copy, './quickstart', 'now')
    if code != 2 or 'From a fresh clone' not in out:
        yield f'an argument is answered by {code} and {out + err!r}'


def lacking(root):
    """Why there can be no guest, or None."""
    for words in (['packages.sh', '--check', 'build', 'guest'], ['debian-kernel', 'own']):
        code, out, err = run(root, os.path.join('tests/setup', words[0]), *words[1:])
        if code != 0:
            return (out + err).strip() or f'{words[0]} ends with {code}'
    return None


def main(root, folder):
    why = lacking(root)
    if why is not None:
        print(why)
        return lint.SKIP
    copy = os.path.join(os.path.abspath(folder), 'quickstart')
    os.makedirs(copy, exist_ok=True)
    refresh(root, copy)
    found = list(faults(copy))
    for fault in found:
        print(f'quickstart: {fault}')
    return len(found) > 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))

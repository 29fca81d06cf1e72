# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""What the lint scripts share: the files to look at, and a run that can be tested.

A script defines check(root), which yields (path, line, message), and SAMPLES:
rows of (name, {path: text}, part of the expected message, or None for a tree
without fault). --self-test writes each sample to a folder of its own and
expects exactly that, so a rule that can no longer fail fails here.
"""
import os
import re
import subprocess
import sys
import tempfile

SKIP = 77


def files(root):
    """Every file of the project, relative to root: what git knows or would add."""
    names = git_files(root) if os.path.exists(os.path.join(root, '.git')) else None
    if names is None:
        names = walk(root)
    return sorted(n for n in set(names) if n and os.path.isfile(os.path.join(root, n)))


def git_files(root):
    """None: no git here, or the tree belongs to somebody else."""
    try:
        out = subprocess.run(
            ['git', '-C', root, 'ls-files', '-z', '-co', '--exclude-standard', '--', '.'],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return out.decode().split('\0')


def walk(root):
    """The same for an unpacked archive: no build folders, no fetched subprojects."""
    for folder, folders, names in os.walk(root):
        here = os.path.relpath(folder, root)
        folders[:] = [d for d in folders if not (
            d in ('.git', '__pycache__', 'packagecache')
            or os.path.isdir(os.path.join(folder, d, 'meson-private'))
            or (here == 'subprojects' and d != 'packagefiles'))]
        for name in names:
            yield os.path.normpath(os.path.join(here, name))


def read(root, path):
    with open(os.path.join(root, path), encoding='utf-8', errors='replace', newline='') as f:
        return f.read()


def is_c(path):
    return path.endswith(('.c', '.h'))


C_TOKEN = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(text, keep_strings=False):
    """C source without comments and texts; lines and columns stay."""
    def replace(match):
        token = match.group()
        if token[0] in '"\'':
            return token if keep_strings else token[0] + ' ' * (len(token) - 2) + token[0]
        return re.sub(r'[^\n\t]', ' ', token)
    return C_TOKEN.sub(replace, text)


def lines(text):
    """Numbered lines, as for an editor."""
    return enumerate(text.split('\n'), 1)


def self_test(check, samples):
    failed = 0
    for name, tree, expected in samples:
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, 'wb') as f:
                    f.write(text.encode() if isinstance(text, str) else text)
            found = [message for _, _, message in check(root)]
        good = not found if expected is None else any(expected in m for m in found)
        if not good:
            failed += 1
            print(f'{name}: expected {expected!r}, found {found}')
    print(f'{len(samples) - failed} of {len(samples)} samples judged as expected')
    return failed > 0


def main(check, samples):
    """ROOT or --self-test; the exit code says whether anything was found."""
    if sys.argv[1:] == ['--self-test']:
        sys.exit(self_test(check, samples))
    if len(sys.argv) != 2:
        sys.exit(f'usage: {sys.argv[0]} ROOT | --self-test')
    found = sorted(set(check(sys.argv[1])))
    for path, line, message in found:
        print(f'{path}:{line}: {message}')
    sys.exit(len(found) > 0)

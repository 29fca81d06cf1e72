# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""clang-tidy or cppcheck over the sources of a build folder; exit 77 without the tool.

usage: tidy.py clang-tidy|cppcheck ROOT BUILD, or tidy.py clang-tidy|cppcheck --self-test ROOT

A source that was clean is not looked at again until the tool, its settings, the
compile commands or a byte of any file that it includes have changed: an empty
file of that hash is kept in VHOST_DEVICE_CACHE, or else where the guest kernels
are, for a month after its last use.
"""
import concurrent.futures
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import shlex
import subprocess
import sys
import tempfile
import time

import lint

# Reasons: style opinions that contradict ours, and what the compiler already says better.
CPPCHECK = [
    '--enable=warning,performance,portability', '--inline-suppr', '--error-exitcode=1', '--quiet',
    '--std=c11', '--max-configs=1', '-D__GNUC__', '-D_GNU_SOURCE',
    '--suppress=missingInclude', '--suppress=missingIncludeSystem',
    '--suppress=unmatchedSuppression',
    # Takes a designated initializer for an assignment; gcc has -Wsequence-point.
    '--suppress=unknownEvaluationOrder',
    # Tests may die of want of memory, and their asserts do not return when they fail.
    '--suppress=nullPointerOutOfMemory:*/tests/*', '--suppress=nullPointerOutOfResources:*/tests/*',
    '--suppress=ctunullpointerOutOfMemory:*/tests/*', '--suppress=deallocuse:*/tests/*',
    # It thinks that a loop of no turns leaves something to read, forgets what a status
    # says about a pointer, and that a part may free its whole.
    '--suppress=uninitvar:*/tests/*', '--suppress=uninitvar:*/input/input.c',
    '--suppress=uninitvar:*/frontend/memory.c',
    '--suppress=nullPointerOutOfMemory:*/input/virtual.c', '--suppress=memleak:*/rtc/kernel.c',
    # It does not know __has_include.
    '--suppress=preprocessorErrorDirective:*/poison.h',
    # No fault, but a hint on a slower way to look.
    '--suppress=normalCheckLevelMaxBranches',
    # START_TEST and its kind are macros of a library it does not see.
    '--suppress=unknownMacro', '--suppress=syntaxError:*/tests/*',
    '--template={file}:{line}: {severity}: {message} [{id}]',
]


MONTH_S = 30 * 24 * 3600
CODE_FLAGS = re.compile(r' -(?:f(?!sanitize)|malign-)[\w=-]+')


def rows(build):
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as f:
        return json.load(f)


def source_of(row):
    return os.path.realpath(os.path.join(row['directory'], row['file']))


def sources(root, build):
    top = os.path.realpath(root)
    return sorted(p for p in {source_of(row) for row in rows(build)}
                  if p.startswith((top + '/src/', top + '/tests/')) and p.endswith('.c'))


def database(build):
    """The compile commands without flags of code generation, of which clang does not know
    all; gcc's warnings it only ignores."""
    folder = os.path.join(build, 'tidy')
    path = os.path.join(folder, 'compile_commands.json')
    text = CODE_FLAGS.sub('', json.dumps(rows(build)))
    os.makedirs(folder, exist_ok=True)
    if not os.path.exists(path) or open(path, encoding='utf-8').read() != text:
        with open(path + '.new', 'w', encoding='utf-8') as f:
            f.write(text)
        os.replace(path + '.new', path)
    return folder


def tidy(root, build):
    """Only complaints about our files count; system headers are not ours. A header
    is called as the build folder sees it."""
    place = os.path.relpath(os.path.realpath(root), os.path.realpath(build))
    place = re.escape(place + '/') if place != '.' else ''
    return ['clang-tidy', '--quiet', '-p', database(build), '--header-filter',
            f'^{place}(src|include|tests)/', '--warnings-as-errors=*',
            # gcc's own flags are not clang's
            '--extra-arg=-Wno-unknown-warning-option']


def cppcheck(root, _build):
    return ['cppcheck', *CPPCHECK, '-I', os.path.join(root, 'include'),
            '-I', os.path.join(root, 'src')]


# The command but for the source to look at.
TOOLS = {'clang-tidy': tidy, 'cppcheck': cppcheck}


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return result.returncode, result.stdout.decode(errors='replace')


@functools.lru_cache(None)
def digest(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def included(row):
    """The file of a compile command and all that it includes, or None."""
    words = shlex.split(row['command'])
    kept = [w for i, w in enumerate(words)
            if w not in ('-c', '-o', '-MD', '-MQ', '-MF') and
            words[i - 1] not in ('-o', '-MQ', '-MF')]
    result = subprocess.run([*kept, '-M'], cwd=row['directory'], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, check=False, encoding='utf-8')
    if result.returncode != 0:
        return None
    _, _, names = result.stdout.replace('\\\n', ' ').partition(':')
    return [os.path.join(row['directory'], name) for name in names.split()]


class Cache:
    """What was clean before, of one tool."""
    def __init__(self, tool, root, build, folder):
        self.root, self.build, self.folder = root, build, folder
        # Once, before there are threads: it may write a file.
        self.command = TOOLS[tool](root, build)
        self.rows = {}
        for row in rows(build):
            self.rows.setdefault(source_of(row), []).append(row)
        version = subprocess.run([tool, '--version'], stdout=subprocess.PIPE, check=False)
        settings = os.path.join(root, '.clang-tidy')
        self.common = [version.stdout.decode(errors='replace'), digest(settings)]

    def plain(self, text):
        """The same in every checkout and build folder."""
        for path, name in ((self.build, 'BUILD'), (self.root, 'ROOT')):
            for spelling in (path, os.path.realpath(path), os.path.relpath(path, self.build)):
                text = re.sub(rf'(?<![\w./-]){re.escape(spelling)}(?=/|\s|$)', name, text)
        return text

    def key(self, path):
        parts = [*self.common, *map(self.plain, [*self.command, path])]
        for row in self.rows[path]:
            files = included(row)
            if files is None:
                return None
            parts += [self.plain(row['command']), *map(digest, files)]
        return hashlib.sha256('\0'.join(parts).encode()).hexdigest()

    def check(self, path):
        """0 and no text, or what the tool said."""
        key = self.key(path)
        known = os.path.join(self.folder, key) if key is not None else None
        if known is not None:
            with contextlib.suppress(FileNotFoundError):
                os.utime(known)
                return 0, None
        code, text = run([*self.command, path])
        if code == 0 and known is not None:
            with open(known, 'w', encoding='utf-8'):
                pass
        return code, text

    def sweep(self):
        """Another run may sweep the same folder."""
        for name in os.listdir(self.folder):
            path = os.path.join(self.folder, name)
            with contextlib.suppress(FileNotFoundError):
                if time.time() - os.stat(path).st_mtime > MONTH_S:
                    os.unlink(path)


def cache_folder():
    """As tests/setup/common.sh has it."""
    home = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.path.join(os.environ.get('VHOST_DEVICE_CACHE') or
                        os.path.join(home, 'vhost-device'), 'tidy')


def check(tool, root, build, folder=None):
    failed = known = 0
    paths = sources(root, build)
    folder = folder or cache_folder()
    os.makedirs(folder, exist_ok=True)
    cache = Cache(tool, root, build, folder)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for code, text in pool.map(cache.check, paths):
            known += text is None
            if code != 0:
                failed += 1
                print(text)
    cache.sweep()
    print(f'{tool}: {len(paths) - failed} of {len(paths)} sources are clean, '
          f'{known} as before')
    return failed > 0 or not paths


GOOD = '#include <stddef.h>\n\nint f(const int *p);\nint f(const int *p)\n{\n' \
       '\tif (p == NULL)\n\t\treturn 0;\n\treturn *p;\n}\n'
BAD = '#include <stddef.h>\n\nint f(void);\nint f(void)\n{\n\tint *p = NULL;\n\n' \
      '\t*p = 1;\n\treturn 0;\n}\n'

# What either tool sees in a header.
BAD_HEADER = 'int g(int a);\nint g(int b)\n{\n\tint *p = 0;\n\n\t*p = b;\n\treturn 0;\n}\n'


def self_test(tool, root):
    """A good file passes, also the second time; a null dereference does not, nor one
    that came into a file it includes."""
    steps = ((GOOD, '', False), (GOOD, '', False), (BAD, '', True), (BAD, '', True),
             (GOOD, BAD_HEADER, True), (GOOD, '', False))
    with tempfile.TemporaryDirectory() as top:
        os.mkdir(os.path.join(top, 'src'))
        shutil.copy(os.path.join(root, '.clang-tidy'), top)
        with open(os.path.join(top, 'compile_commands.json'), 'w', encoding='utf-8') as f:
            json.dump([{'directory': top, 'file': 'src/a.c', 'command': 'cc -c src/a.c'}], f)
        for source, header, expected in steps:
            for name, text in (('a.c', '#include "a.h"\n' + source), ('a.h', header)):
                with open(os.path.join(top, 'src', name), 'w', encoding='utf-8') as f:
                    f.write(text)
            digest.cache_clear()
            if check(tool, top, top, os.path.join(top, 'cache')) != expected:
                print(f'{tool} did not {"refuse" if expected else "accept"}:\n{header}{source}')
                return 1
        if len(os.listdir(os.path.join(top, 'cache'))) != 1:
            print('what is known to be clean is not one file')
            return 1
    return 0


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in TOOLS:
        sys.exit(__doc__)
    if shutil.which(sys.argv[1]) is None:
        print(f'{sys.argv[1]} is not installed')
        sys.exit(lint.SKIP)
    if sys.argv[2] == '--self-test':
        sys.exit(self_test(sys.argv[1], sys.argv[3]))
    sys.exit(check(*sys.argv[1:]))


if __name__ == '__main__':
    main()

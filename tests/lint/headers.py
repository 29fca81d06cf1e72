# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Every header compiles alone, with the flags of the sources that use it.

The flags come from the build folder's compile_commands.json: those of a source
beside the header; for include/ those of a device, which sees nothing else.
"""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import tempfile

import lint

DROP_NEXT = ('-o', '-MF', '-MQ', '-MT')
DROP = ('-c', '-MD', '-MMD')


def compile_commands(build):
    """source relative to the build folder -> (folder, arguments without in- and output)"""
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as f:
        rows = json.load(f)
    commands = {}
    for row in rows:
        args, skip = [], False
        for arg in shlex.split(row['command']):
            if skip or arg in DROP or arg == row['file']:
                skip = False
            elif arg in DROP_NEXT:
                skip = True
            else:
                args.append(arg)
        source = os.path.realpath(os.path.join(row['directory'], row['file']))
        commands.setdefault(source, (row['directory'], args))
    return commands


def command_for(root, header, commands):
    """
    Of the source with the same name, else of the nearest folder upwards that has
    a compiled source; None: nobody compiles such.
    """
    namesake = os.path.join(os.path.realpath(root), header[:-1] + 'c')
    if namesake in commands:
        return commands[namesake]
    places = ['src/devices'] if header.startswith('include/') else []
    folder = os.path.dirname(header)
    while folder:
        places.append(folder)
        folder = os.path.dirname(folder)
    for place in places:
        prefix = os.path.join(os.path.realpath(root), place) + os.sep
        for source, command in sorted(commands.items()):
            if source.startswith(prefix) and source.endswith('.c'):
                return command
    return None


def compile_alone(root, header, command):
    folder, args = command
    run = subprocess.run(
        # clang calls an inline function of the main file unused.
        args + ['-fsyntax-only', '-Werror', '-Wno-unused-function', '-x', 'c',
                os.path.join(os.path.realpath(root), header)],
        cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if run.returncode == 0:
        return None
    errors = [line for line in run.stderr.decode(errors='replace').splitlines()
              if 'error' in line]
    return 'does not compile alone: ' + (errors or ['no reason given'])[0]


def check(root, build):
    commands = compile_commands(build)
    jobs = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for header in lint.files(root):
            if not header.endswith('.h') or header.startswith('subprojects/'):
                continue
            command = command_for(root, header, commands)
            if command is None:
                print(f'{header}: not tried, no source of its part is compiled')
                continue
            jobs[header] = pool.submit(compile_alone, root, header, command)
    for header, job in jobs.items():
        if job.result() is not None:
            yield header, 1, job.result()
    if not jobs:
        yield '.', 1, 'no header was compiled'


GOOD = '#ifndef A_H\n#define A_H\n#include <stddef.h>\nsize_t a(void);\n#endif\n'
SAMPLES = [
    ('good', {'include/a.h': GOOD}, None),
    ('good in a part', {'src/core/a.h': '#include "b.h"\nstruct c { size_t n; };\n',
                        'include/b.h': GOOD}, None),
    ('missing include', {'include/a.h': 'size_t a(void);\n'}, 'size_t'),
    ('missing in a part', {'src/core/a.h': 'size_t a(void);\n', 'include/a.h': GOOD}, 'size_t'),
    ('include/ on the core', {'include/a.h': '#include "core/b.h"\n',
                              'src/core/b.h': 'struct b;\n'}, 'core/b.h'),
    ('warning', {'include/a.h': 'static inline int a(void) { }\n'}, 'return'),
]


def sample_check(cc):
    def run(root):
        rows = [{'directory': root, 'file': f'src/{part}/x.c',
                 'command': f'{cc} -Iinclude {more} -Wall -o x.o -c src/{part}/x.c'}
                for part, more in (('devices', ''), ('core', '-Isrc'))]
        with tempfile.TemporaryDirectory() as build:
            with open(os.path.join(build, 'compile_commands.json'), 'w', encoding='utf-8') as f:
                json.dump(rows, f)
            yield from check(root, build)
    return run


def main():
    if sys.argv[1:2] == ['--self-test'] and len(sys.argv) == 3:
        sys.exit(lint.self_test(sample_check(sys.argv[2]), SAMPLES))
    if len(sys.argv) != 3:
        sys.exit(f'usage: {sys.argv[0]} ROOT BUILD | --self-test CC')
    found = list(check(*sys.argv[1:]))
    for path, line, message in found:
        print(f'{path}:{line}: {message}')
    sys.exit(len(found) > 0)


if __name__ == '__main__':
    main()

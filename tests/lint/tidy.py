# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""clang-tidy or cppcheck over the sources of a build folder; exit 77 without the tool.

usage: tidy.py clang-tidy|cppcheck ROOT BUILD, or tidy.py clang-tidy|cppcheck --self-test ROOT
"""
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import lint

# Reasons: style opinions that contradict ours, and what the compiler already says better.
CPPCHECK = [
    '--enable=warning,performance,portability', '--inline-suppr', '--error-exitcode=1', '--quiet',
    '--std=c11', '--max-configs=1', '-D__GNUC__', '-D_GNU_SOURCE',
    '--suppress=missingInclude', '--suppress=missingIncludeSystem',
    '--suppress=unmatchedSuppression',
    # Takes a designated initializer for an assignment; gcc has -Wsequence-point.
    '--suppress=unknownEvaluationOrder',
    # START_TEST and its kind are macros of a library it does not see.
    '--suppress=unknownMacro', '--suppress=syntaxError:*/tests/*',
    '--template={file}:{line}: {severity}: {message} [{id}]',
]


def sources(root, build):
    with open(os.path.join(build, 'compile_commands.json'), encoding='utf-8') as f:
        rows = json.load(f)
    top = os.path.realpath(root)
    found = {os.path.realpath(os.path.join(r['directory'], r['file'])) for r in rows}
    return sorted(p for p in found if p.startswith((top + '/src/', top + '/tests/'))
                  and p.endswith('.c'))


def tidy(root, build, path):
    """Only complaints about our files count; system headers are not ours."""
    return ['clang-tidy', '--quiet', '-p', build, '--header-filter',
            f'^{re.escape(os.path.realpath(root))}/(src|include|tests)/', '--warnings-as-errors=*',
            # gcc's own flags are not clang's
            '--extra-arg=-Wno-unknown-warning-option', path]


def cppcheck(root, build, path):
    return ['cppcheck', *CPPCHECK, '-I', os.path.join(root, 'include'),
            '-I', os.path.join(root, 'src'), path]


TOOLS = {'clang-tidy': tidy, 'cppcheck': cppcheck}


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return result.returncode, result.stdout.decode(errors='replace')


def check(tool, root, build):
    failed = 0
    paths = sources(root, build)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for code, text in pool.map(run, [TOOLS[tool](root, build, p) for p in paths]):
            if code != 0:
                failed += 1
                print(text)
    print(f'{tool}: {len(paths) - failed} of {len(paths)} sources are clean')
    return failed > 0 or not paths


GOOD = '#include <stddef.h>\n\nint f(const int *p);\nint f(const int *p)\n{\n' \
       '\tif (p == NULL)\n\t\treturn 0;\n\treturn *p;\n}\n'
BAD = '#include <stddef.h>\n\nint f(void);\nint f(void)\n{\n\tint *p = NULL;\n\n' \
      '\t*p = 1;\n\treturn 0;\n}\n'


def self_test(tool, root):
    """A good file passes, a null dereference does not."""
    for text, expected in ((GOOD, False), (BAD, True)):
        with tempfile.TemporaryDirectory() as top:
            os.mkdir(os.path.join(top, 'src'))
            shutil.copy(os.path.join(root, '.clang-tidy'), top)
            name = os.path.join(top, 'src/a.c')
            with open(name, 'w', encoding='utf-8') as f:
                f.write(text)
            with open(os.path.join(top, 'compile_commands.json'), 'w', encoding='utf-8') as f:
                json.dump([{'directory': top, 'file': 'src/a.c',
                            'command': 'cc -c src/a.c'}], f)
            if check(tool, top, top) != expected:
                print(f'{tool} did not {"refuse" if expected else "accept"}:\n{text}')
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

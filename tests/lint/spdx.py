# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The licence line, where a file can carry one."""
import fnmatch

import lint

WANTED = 'SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause'
C_LINE = f'/* {WANTED} */'

# Prose, generated pages, data, and formats without comments or with nothing of substance.
EXEMPT = [
    'LICENSE-*', '*.md', 'man/*', '.gitignore', '*/.gitignore', '.gitattributes',
    '.editorconfig', '.clang-format', '*.wrap', '*.json', '*.png', '*.svg',
    'src/list.h.in', 'tests/fuzz/corpus/*', 'tests/fuzz/corpora/*',
    'tests/*/data/*', 'tests/*/expected/*', 'docs/generated/*', 'completion/*',
]


def check(root):
    for path in lint.files(root):
        if any(fnmatch.fnmatch(path, pattern) for pattern in EXEMPT):
            continue
        head = lint.read(root, path).split('\n')[:3]
        if lint.is_c(path):
            if head[0] != C_LINE:
                yield path, 1, f'the first line must be {C_LINE}'
        elif not any(line.rstrip().rstrip('*/').rstrip().endswith(WANTED) for line in head):
            yield path, 1, f'none of the first three lines is {WANTED}'


SAMPLES = [
    ('good', {'a.c': C_LINE + '\n', 'b.py': f'#!/usr/bin/env python3\n# {WANTED}\n',
              'README.md': 'x\n', 'tests/fuzz/corpus/x/1': b'\xff\0'}, None),
    ('C without', {'a.c': 'int x;\n'}, 'first line'),
    ('other licence', {'a.h': '/* SPDX-License-Identifier: MIT */\n'}, 'first line'),
    ('C too late', {'a.c': '\n' + C_LINE + '\n'}, 'first line'),
    ('script without', {'run': '#!/bin/sh\necho\n'}, 'none of'),
    ('half the choice', {'meson.build': '# SPDX-License-Identifier: Apache-2.0\n'}, 'none of'),
]

if __name__ == '__main__':
    lint.main(check, SAMPLES)

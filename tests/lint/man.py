# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Manual pages are right: groff warns of nothing; exit 77 without it."""
import os
import re
import shutil
import subprocess
import sys

import lint

PAGE = re.compile(r'^man/([^/]+)\.([1-8])$')


def check(root):
    for path in lint.files(root):
        match = PAGE.match(path)
        if match is None:
            continue
        title = re.search(r'(?m)^\.TH "?([^\s"]+)"? "?([1-8])"?', lint.read(root, path))
        if title is None or title.group(1).lower() != match.group(1) \
                or title.group(2) != match.group(2):
            yield path, 1, f'the .TH line must say {match.group(1).upper()} {match.group(2)}'
        run = subprocess.run(['groff', '-man', '-Tutf8', '-ww', '-z', os.path.join(root, path)],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        for line in run.stderr.decode(errors='replace').splitlines():
            where = re.search(r':(\d+): (.*)', line)
            yield path, int(where.group(1)) if where else 1, where.group(2) if where else line


HEAD = '.TH A 1 2026 x\n.SH NAME\na \\- b\n'
SAMPLES = [
    ('good', {'man/a.1': HEAD, 'man/README': '.XX\n'}, None),
    ('no title', {'man/a.1': '.SH NAME\na\n'}, '.TH line'),
    ('other title', {'man/b.1': HEAD}, 'must say B 1'),
    ('other section', {'man/a.5': HEAD}, 'must say A 5'),
    ('unknown macro', {'man/a.1': HEAD + '.NOSUCH x\n'}, 'NOSUCH'),
    ('unknown escape', {'man/a.1': HEAD + 'x \\[nosuch] y\n'}, 'nosuch'),
]

if __name__ == '__main__':
    if shutil.which('groff') is None:
        print('groff is not installed')
        sys.exit(lint.SKIP)
    lint.main(check, SAMPLES)

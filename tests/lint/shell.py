# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Shell scripts parse, and shellcheck has nothing to say; exit 77 without it."""
import os
import re
import shutil
import subprocess
import sys

import lint

SHELL = re.compile(r'#!\s*(?:/usr)?/bin/(?:env\s+)?(sh|bash|dash)\b')
# "Did you mean": of names in other files it knows nothing.
GUESSES = 'SC2153,SC2154'
# Read by other scripts, which are of this kind.
PART = re.compile(r'(?m)^# shellcheck shell=\w+')


def check(root):
    for path in lint.files(root):
        text = lint.read(root, path)
        match = SHELL.match(text)
        if match is None and not path.endswith('.sh'):
            continue
        if match is None and not PART.search(text[:300]):
            yield path, 1, 'neither a #!/bin/sh line nor # shellcheck shell='
            continue
        if not path.endswith('.sh') and not os.access(os.path.join(root, path), os.X_OK) \
                and os.path.isdir(os.path.join(root, '.git')):
            yield path, 1, 'not executable'
        run = subprocess.run(
            ['shellcheck', '-x', '-f', 'gcc', '-S', 'style', '-e', GUESSES, path],
            cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        for line in run.stdout.decode(errors='replace').splitlines():
            parts = line.split(':', 3)
            number = int(parts[1]) if len(parts) == 4 and parts[1].isdigit() else 1
            yield path, number, parts[-1].strip()


SAMPLES = [
    ('good', {'run': '#!/bin/sh\nset -eu\nprintf "%s\\n" "$1"\n', 'x.txt': 'echo $1\n'}, None),
    ('unquoted', {'run': '#!/bin/sh\nrm $1\n'}, 'SC2086'),
    ('does not parse', {'run': '#!/bin/sh\nif true; then\n'}, 'SC1'),
    ('bash in sh', {'run': '#!/bin/sh\n[[ -n $1 ]] && echo\n'}, 'SC3010'),
    ('bash in a part', {'x.sh': '# shellcheck shell=sh\n[[ -n $1 ]] && echo\n'}, 'SC3010'),
    ('good part', {'x.sh': '# shellcheck shell=bash\n[[ -n $1 ]] && echo\n'}, None),
    ('no kind', {'x.sh': 'echo\n'}, 'neither'),
]

if __name__ == '__main__':
    if shutil.which('shellcheck') is None:
        print('shellcheck is not installed')
        sys.exit(lint.SKIP)
    lint.main(check, SAMPLES)

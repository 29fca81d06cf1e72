# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""docs/adding-a-device.md is true: its commands are run in a copy of the tree."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import lint

PAGE = 'docs/adding-a-device.md'
BLOCK = re.compile(r'(?ms)^```sh\n(.*?)^```$')


def main(root):
    if shutil.which('meson') is None:
        print('meson is not here')
        return lint.SKIP
    commands = ''.join(BLOCK.findall(lint.read(root, PAGE)))
    if 'meson test' not in commands:
        print(f'{PAGE}: no test is run by its commands')
        return 1
    with tempfile.TemporaryDirectory() as copy:
        for name in lint.files(root):
            target = os.path.join(copy, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.join(root, name), target, follow_symlinks=False)
        script = 'set -eux\n' + commands + 'build/vhost-device list\n'
        run = subprocess.run(['sh', '-c', script], cwd=copy, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
    out = run.stdout.decode(errors='replace')
    row = re.search(r'(?m)^foo\s.*\byes\b', out)
    if run.returncode != 0 or row is None:
        print(out)
        print(f'{PAGE}: its commands fail' if run.returncode else f'{PAGE}: foo is not built')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))

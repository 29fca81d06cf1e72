# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""docs/adding-a-device.md is true: its commands are run in a copy of the tree, and
its driver half takes the place of the one that they make."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import lint

PAGE = 'docs/adding-a-device.md'
BLOCK = re.compile(r'(?ms)^```sh\n(.*?)^```$')
DRIVER = re.compile(r'(?ms)^```c\n(.*?driver_foo.*?)^```$')
# It begins as the template does.
HEAD = re.compile(r'(?ms)\A.*^#include[^\n]*\n')


def main(root):
    if shutil.which('meson') is None:
        print('meson is not here')
        return lint.SKIP
    commands = ''.join(BLOCK.findall(lint.read(root, PAGE)))
    if 'meson test' not in commands:
        print(f'{PAGE}: no test is run by its commands')
        return 1
    driver = HEAD.match(lint.read(root, 'src/probe/template.c')).group()
    driver += DRIVER.search(lint.read(root, PAGE)).group(1)
    with tempfile.TemporaryDirectory() as copy:
        for name in lint.files(root):
            target = os.path.join(copy, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.join(root, name), target, follow_symlinks=False)
        with open(os.path.join(copy, 'driver.c'), 'w', encoding='utf-8') as f:
            f.write(driver)
        script = 'set -eux\n' + commands + """
cat driver.c > src/probe/foo.c
ninja -C build vhost-device
build/vhost-device probe --help | grep 'foo SOCKET ask TEXT'
build/vhost-device list
"""
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

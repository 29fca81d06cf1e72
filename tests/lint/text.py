# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""What must not be in a file that everybody reads: one machine's paths and hosts."""
import glob
import os
import re

import lint

# Written in pieces, so that this file passes its own test.
FOLDERS = ['wo' + 'rk', 'ro' + 'ot', r'ho' + r'me/\w+', r'Us' + r'ers/\w+', 'work' + 'space']
PATHS = re.compile(r'(?<![\w.$}-])/(?:' + '|'.join(FOLDERS) + r')(?:/\w|\b(?=[\s"\'`,;)]))')
HOST = re.compile(r'\w+://(?:[^/@\s"\';]*@)?([A-Za-z0-9.-]+)')
HIDDEN = re.compile('[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\u00a0]')
CONTROL = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')


def private_hosts(etc='/etc/apt'):
    """The package mirrors and proxies this machine happens to use."""
    hosts = set()
    for pattern in ('sources.list', 'sources.list.d/*', 'apt.conf', 'apt.conf.d/*'):
        for name in glob.glob(os.path.join(etc, pattern)):
            try:
                with open(name, encoding='utf-8', errors='replace') as f:
                    hosts.update(HOST.findall(re.sub(r'(?m)^\s*(#|//).*', '', f.read())))
            except OSError:
                continue
    return {h for h in hosts if '.' in h}


def check(root):
    etc = os.path.join(root, 'etc/apt')     # only samples have one
    hosts = private_hosts(etc if os.path.isdir(etc) else '/etc/apt')
    for path in lint.files(root):
        if path.startswith(('tests/fuzz/corp', 'etc/apt/')):
            continue
        with open(os.path.join(root, path), 'rb') as f:
            data = f.read()
        try:
            text = data.decode()
        except UnicodeDecodeError:
            if lint.is_c(path) or path.endswith(('.md', '.py', '.build')):
                yield path, 1, 'not UTF-8'
            continue
        for number, line in lint.lines(text):
            if PATHS.search(line):
                yield path, number, "path of somebody's machine"
            for host in hosts:
                if host in line:
                    yield path, number, f"host from this machine's /etc/apt: {host}"
            if HIDDEN.search(line):
                yield path, number, 'invisible character'
            if CONTROL.search(line):
                yield path, number, 'control character'


HOST_FILE = {'etc/apt/sources.list': 'deb http://mirror.corp.example/debian x main\n'
                                     '# deb http://old.example/debian x main\n',
             'etc/apt/apt.conf.d/p': 'Acquire::http::Proxy "http://u@proxy.corp.example:3128";\n'}
SAMPLES = [
    ('good', dict(HOST_FILE, **{'a.md': 'old.example, /run/x, a/wo' 'rk/b, '
                                '$PWD/wo' 'rk/x; Größe → 3\n'}), None),
    ('machine path', {'a.md': 'see /wo' 'rk/main\n'}, 'path of'),
    ('bare machine path', {'a.sh': 'cd /ro' 'ot && ls\n'}, 'path of'),
    ('quoted machine path', {'a.c': 'f("/ho' 'me/joe/x");\n'}, 'path of'),
    ('mirror', dict(HOST_FILE, **{'a.sh': 'curl mirror.corp.example/x\n'}), 'host from'),
    ('proxy', dict(HOST_FILE, **{'a.sh': 'http_proxy=proxy.corp.example\n'}), 'host from'),
    ('bidi', {'a.c': 'x = "\u202e";\n'}, 'invisible'),
    ('escape', {'a.sh': 'echo "\x1b[1m"\n'}, 'control'),
    ('latin1', {'a.c': b'/* \xe4 */\n'}, 'UTF-8'),
]

if __name__ == '__main__':
    lint.main(check, SAMPLES)

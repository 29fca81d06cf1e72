# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The command line as users and supervisors meet it: cli.py EXE.

Names the program is started by, exit codes, streams, sockets made and removed,
inherited sockets, signals, readiness, files with many guests. Results as TAP.
"""
import contextlib
import grp
import json
import os
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time

from backends import play

EXE = os.path.realpath(sys.argv[1])
DEADLINE = 30           # for what should take milliseconds: machines may be busy
TESTS = []


def test(function):
    TESTS.append((function.__name__, lambda _: function()))
    return function


@contextlib.contextmanager
def folder():
    """A place of its own, short enough for socket paths, and the current one."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix='cli-') as path:
        os.chdir(path)
        try:
            yield path
        finally:
            os.chdir(before)


class Answer:
    def __init__(self, run):
        self.code, self.out, self.err = run.returncode, run.stdout, run.stderr


def environment(extra=None):
    env = {k: v for k, v in os.environ.items()
           if k not in ('RUST_LOG', 'LISTEN_FDS', 'LISTEN_PID', 'NOTIFY_SOCKET')}
    env.update(extra or {})
    return env


def run(*words, program=EXE, argv0=None, env=None):
    """Something that ends by itself."""
    return Answer(subprocess.run(
        [argv0 or program, *words], executable=program, env=environment(env), check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        timeout=DEADLINE, encoding='utf-8'))


class Server:
    """A running process; left with what finish() returns."""
    def __init__(self, *words, fds=(), env=None, preexec=None, ready=True):
        ready_r, ready_w = os.pipe()
        if ready:
            words += ('--ready-fd', str(ready_w))
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [EXE, *words], pass_fds=[ready_w, *fds], env=environment(env), preexec_fn=preexec,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        os.close(ready_w)
        self.ready = b''
        if ready:
            readable, _, _ = select.select([ready_r], [], [], DEADLINE)
            assert readable, 'not ready in time'
            self.ready = os.read(ready_r, 100)
        os.close(ready_r)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def err(self):
        self.log.seek(0)
        return self.log.read().decode()

    def signal(self, signo):
        self.process.send_signal(signo)

    def finish(self, signo=None):
        """Exit code, and seconds it took."""
        begin = time.monotonic()
        if signo is not None:
            self.signal(signo)
        code = self.process.wait(DEADLINE)
        return code, time.monotonic() - begin


def until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, 'still not: ' + what
        time.sleep(0.01)


def equal(have, want):
    assert have == want, f'{have!r} is not {want!r}'


def contains(text, part):
    assert part in text, f'no {part!r} in {text!r}'


GET_FEATURES = struct.pack('<III', 1, 1, 0)


def ask(connection):
    """One request and its answer: somebody serves this socket."""
    connection.settimeout(DEADLINE)
    connection.sendall(GET_FEATURES)
    answer = connection.recv(100)
    equal(len(answer), 20)
    equal(answer[:4], b'\x01\0\0\0')


def call(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    ask(connection)
    return connection


def listening(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(5)
    return sock


def is_socket(path):
    return os.path.exists(path) and stat.S_ISSOCK(os.lstat(path).st_mode)


# ---- names and streams ----

@test
def names_of_the_program():
    with folder() as here:
        for name in ('vhost-device-rng', 'vhost-device-rng-foo', 'vhost-device-', 'something'):
            os.symlink(EXE, name)
        version = run('--version').out.split()
        equal(version[0], 'vhost-device')
        wanted = f'vhost-device-rng {version[1]}\n'
        equal(run('--version', program='./vhost-device-rng').out, wanted)
        equal(run('-V', program=here + '/vhost-device-rng').out, wanted)
        equal(run('rng', '--version').out, wanted)
        equal(run('rng', '-V', program='./something').out, wanted)
        equal(run('--version', argv0='vhost-device-rng').out, wanted)
        for name in ('./vhost-device-rng-foo', './vhost-device-'):
            answer = run('--version', program=name)
            equal((answer.code, answer.out), (2, ''))
            contains(answer.err, 'Usage: vhost-device')
            contains(answer.err, 'rng')


@test
def help_goes_to_standard_output():
    for words in (('--help',), ('-h',), ('help',), ('rng', '--help'), ('rng', '-h'),
                  ('help', 'rng'), ('run', '--help'), ('rng', '-s', 'x', '-h', '--bogus')):
        answer = run(*words)
        equal((answer.code, answer.err), (0, ''))
        contains(answer.out, 'Usage: vhost-device')
    equal(run('help', 'rng').out, run('rng', '--help').out)
    for command in ('list', 'install-links', 'completion', 'man', 'options', 'run', 'help'):
        answer = run(command, '--help')
        equal((answer.code, answer.err), (0, ''))
        contains(answer.out, f'Usage: vhost-device {command} ')
        equal(run('help', command).out, answer.out)
    contains(run('rng', '--help').out, '  -s, --socket-path <PATH>\n')


def rows_of(text):
    return [line for line in text.split('\n') if line.startswith('  ') and '-' in line[:7]]


@test
def brief_help_has_every_option_and_less_text():
    for command in ('rng', 'template', 'run', 'probe'):
        if command == 'probe' and run('probe', '--help').code != 0:
            continue
        brief, full = run(command, '-h'), run(command, '--help')
        equal((brief.code, brief.err), (0, ''))
        equal(rows_of(brief.out), rows_of(full.out))
        contains(brief.out, "For more information, try '--help'.")
        assert len(brief.out) < len(full.out), command
    contains(run('rng', '--help').out, 'number of the guest, from 0.')
    assert 'number of the guest, from 0.' not in run('rng', '-h').out
    equal(run('rng', '-h', '--help').out, run('rng', '--help').out)


# words; what the first line of standard error says; exit code
REFUSED = [
    ([], None, 2),
    (['no-such'], "'no-such' is no command and no device; devices are: ", 2),
    (['--no-such'], "'--no-such' is no command", 2),
    (['help', 'no-such'], "'no-such' is no command", 2),
    (['help', 'rng', 'x'], "unexpected argument 'x' found", 2),
    (['list', '--xml'], "unexpected argument '--xml' found", 2),
    (['completion'], 'give one of bash, zsh, fish', 2),
    (['completion', 'tcsh'], 'give one of bash, zsh, fish', 2),
    (['man', 'no-such'], "'no-such' is no command", 2),
    (['options', 'no-such'], "'no-such' is no command", 2),
    (['install-links'], 'give the folder', 2),
    (['run'], 'the following required arguments were not provided: <FILE.ini>', 2),
    (['run', 'a', 'b'], "unexpected argument 'b' found", 2),
    (['run', 'absent.ini'], 'absent.ini: cannot be opened: No such file or directory', 1),
    (['rng'], 'the following required arguments were not provided: --socket-path <PATH>', 2),
    (['rng', '--sokcet-path=x'], "a similar argument exists: '--socket-path'", 2),
    (['rng', '-s'], "a value is required for '--socket-path <PATH>'", 2),
    (['rng', '-s', ''], "invalid value '' for '--socket-path <PATH>'", 2),
    (['rng', '-s', 'x', '-s', 'y'], 'cannot be used multiple times', 2),
    (['rng', '-s', 'x', '--socket-fd', '3'], 'cannot be used with', 2),
    (['rng', '-s', 'x', 'word'], "unexpected argument 'word' found", 2),
    (['rng', '-s', 'x', '-c', '-1'], '--socket-count', 2),
    (['rng', '-s', 'x', '-c', 'many'], "invalid value 'many'", 2),
    (['rng', '-s', 'x', '-c', '4294967296'], 'too large', 2),
    (['rng', '-s', 'x', '-c', '0'], "invalid value '0' for '--socket-count <N>'", 1),
    (['rng', '-s', 'x', '-p', '0'], '--period', 1),
    (['rng', '-s', 'x', '-p', '65537'], 'Period is too big: 65537', 1),
    (['rng', '-s', 'x', '-p', '-5'], '--period', 2),
    (['rng', '-s', 'x', '-m', '18446744073709551616'], '--max-bytes', 2),
    (['rng', '-s', 'x', '-f', '/nonexistent'], '/nonexistent', 1),
    (['rng', '-s', '/'], 'no final name', 1),
    (['rng', '-s', '..'], 'no final name', 1),
    (['rng', '-s', 'absent/x'], 'absent/x0', 1),
    (['rng', '-s', 'x' * 200], 'x', 1),
    (['rng', '--socket-fd', '1000'], '1000', 1),
    (['rng', '--fd', '1000'], '1000', 1),
    (['rng', '--socket-fd', '0'], '0', 1),
    (['rng', '-s', 'x', '--queue-size', '3'], 'power of two', 1),
    (['rng', '-s', 'x', '--ready-fd', '1000'], '1000', 1),
    (['rng', '-s', 'x', '--config', 'absent.ini'], 'absent.ini: cannot be opened', 1),
    (['rng', '-s', 'x', '--log-level', 'loud'], 'possible values: off, error', 2),
    (['rng', '--socket-pat', 'x'], "a similar argument exists: '--socket-path'", 2),
    (['rng', '-s', '-x'], "attach one that begins with '-': '--socket-path=-x'", 2),
    (['rng', '-s', 'x', '--', '-V'], "unexpected argument '-V' found", 2),
    (['rng', '-s', 'x', '-z'], "unexpected argument '-z' found", 2),
    (['rng', '-s', 'x', '--once=1'], "unexpected value '1' for '--once' found", 2),
    (['rng', '-s', 'x', '-f', ''], "invalid value '' for '--rng-source <PATH>'", 2),
    (['rng', '-s', 'x', '-p', ''], "invalid value '' for '--period <MS>'", 2),
    (['rng', '-s', 'x', '-p', '0x10'], 'not a decimal number', 2),
    (['rng', '-s', 'x', '-p', '10k'], 'not a decimal number', 2),
    (['rng', '-s', 'x', '-p', ' 5'], 'not a decimal number', 2),
    (['rng-foo', '-s', 'x'], "'rng-foo' is no command and no device", 2),
    (['template'], 'the following required arguments were not provided: --socket-path', 2),
    (['template', '-s', 'absent/x'], 'absent/x: cannot be created', 1),
    (['template', '-s', 'x', '-c', '0'], "invalid value '0' for '--socket-count <N>'", 1),
    (['template', '-s', 'x', '-p', '1'], "unexpected argument '-p' found", 2),
    (['gpio', '-s', 'x'], 'the following required arguments were not provided: --device-list', 2),
    (['gpio', '-l', 's4'], 'the following required arguments were not provided: --socket-path', 2),
    (['gpio', '-s', 'x', '-l', 's4', '-c', '0'], "invalid value '0' for '--socket-count", 1),
    (['gpio', '-s', 'x', '-l', 's4', '-c', '2'], 'Invalid socket count', 1),
    (['gpio', '-s', 'x', '-l', 'a'], '"a" is no GPIO chip', 1),
    (['gpio', '-s', 'x', '-l', '99999'], 'GPIO chip 99999 ', 1),
    (['gpio', '-s', 'absent/x', '-l', 's4'], 'absent/x0: cannot be created', 1),
    (['i2c', '-s', 'x'], 'the following required arguments were not provided: --device-list', 2),
    (['i2c', '-l', '1:32'], 'the following required arguments were not provided: --socket-path',
     2),
    (['i2c', '-s', 'x', '-l', '1:32', '-c', '0'], "invalid value '0' for '--socket-count", 1),
    (['i2c', '-s', 'x', '-l', '99:32'], '/dev/i2c-99', 1),
    (['i2c', '-s', 'x', '-l', 'no such:32'], 'adapter "no such"', 1),
    (['i2c', '-s', 'x', '-l', '1:129'], 'address 129 is too large', 1),
    (['i2c', '-s', 'x', '-l', '1:many'], '1:many', 1),
    (['i2c', '-s', 'x', '-l', '1:32,1:33'], 'duplicate adapter 1', 1),
    (['i2c', '-s', 'x', '-l', '1:32:32'], 'address 0x20 is there twice', 1),
    (['i2c', '-s', 'x', '-l', '1:32,2:32'], 'address 0x20 is there twice', 1),
    (['i2c', '-s', 'absent/x', '-l', 's1:32'], 'absent/x0: cannot be created', 1),
    (['spi', '-s', 'x'], 'the following required arguments were not provided: --device', 2),
    (['spi', '-l', 's0'], 'the following required arguments were not provided: --socket-path', 2),
    # Of old a usage error here, unlike elsewhere.
    (['spi', '-s', 'x', '-l', 's0', '-c', '0'], "invalid value '0' for '--socket-count <N>'", 2),
    (['spi', '-s', 'x', '-l', 's0', '-c', 'x'], "invalid value 'x' for '--socket-count <N>'", 2),
    (['spi', '-s', 'x', '--device-list', 's0'], "a similar argument exists: '--device'", 2),
    (['spi', '-s', 'x', '-l', ''], 'a chip is missing', 1),
    (['spi', '-s', 'x', '-l', '/dev/absent'], '/dev/absent: No such file or directory', 1),
    (['spi', '-s', 'x', '-l', '/dev/null'], "/dev/null can't be accessed", 1),
    (['spi', '-s', '..', '-l', 's0'], 'no final name', 1),
    (['spi', '-s', 'absent/x', '-l', 's0'], 'absent/x0: cannot be created', 1),
    (['can', '-s', 'x'], 'the following required arguments were not provided: --can-devices', 2),
    (['can', '-d', 'bus:t'], 'the following required arguments were not provided: --socket-path',
     2),
    (['can', '-s', 'x', '-d', 'bus:t', '-c', '0'], "invalid value '0' for '--socket-count", 1),
    (['can', '-s', 'x', '-d', 'bus:t', '-c', '2'], 'Invalid socket count', 1),
    (['can', '-s', 'x', '-d', 'bus:t bus:t', '-c', '1'], 'Invalid socket count', 1),
    # Whether the kernel of this machine has no SocketCAN, or no such interface.
    (['can', '-s', 'x', '-d', 'absent'], 'Could not find can devices', 1),
    (['can', '-s', 'x', '-d', ''], '"" is no name of an interface', 1),
    (['can', '-s', '..', '-d', 'bus:t'], 'no final name', 1),
    (['can', '-s', 'absent/x', '-d', 'bus:t'], 'absent/x0: cannot be created', 1),
    (['rtc'], 'the following required arguments were not provided: --socket-path', 2),
    (['rtc', '-s', 'x', '--no-utc=1'], "unexpected value '1' for '--no-utc' found", 2),
    (['rtc', '-s', 'x', '--socket-fd', '3'], 'cannot be used with', 2),
    (['rtc', '--socket-fd', '1000'], '1000', 1),
    (['console'], 'the following required arguments were not provided: --socket-path', 2),
    (['console', '-s', 'x', '-c', '0'], "invalid value '0' for '--socket-count", 1),
    (['console', '-s', 'x', '-c', '2'], 'Error using multiple sockets with Nested backend', 1),
    (['console', '-s', 'x', '-b', 'Nested'], 'possible values: nested, network', 2),
    (['console', '-s', 'x', '-b', 'network', '-p', '70000'], 'must be 1 to 65535', 1),
    (['console', '-s', 'x', '-b', 'network', '-p', '65535', '-c', '2'], 'above 65535', 1),
    (['console', '-s', 'x', '-q', '100'], 'invalid queue maximum size', 1),
    (['console', '-s', 'x', '-q', '65536'], 'must be 1 to 32768', 1),
    (['console', '-s', 'x', '-b', 'uds'], 'needs a path', 1),
    (['console', '-s', 'x', '--port', 'backend=uds'], 'needs a path', 2),
    (['console', '-s', 'x', '--single-port', '--port', 'name=a', '--port', 'name=b'],
     'one --port', 1),
    (['vsock'], 'the following required arguments were not provided: --socket-path', 2),
    (['vsock', '--socket', 'x'], 'Required key uds-path or forward-cid not found', 1),
    (['vsock', '--guest-cid', '2', '--socket', 'x', '--uds-path', 'y'], '--guest-cid', 1),
    (['vsock', '--guest-cid', 'x', '--socket', 'x', '--uds-path', 'y'], '--guest-cid', 2),
    (['vsock', '--socket', 'x', '--uds-path', 'y', '--queue-size', '3'], 'power of two', 1),
]

# Every option of the programs that this one takes the place of, long and short,
# and the sockets that listen then.
TAKEN = [
    (['rng', '--socket-path', 'x', '--socket-count', '2', '--period', '1000', '--max-bytes', '9',
      '--rng-source', '/dev/urandom'], ['x0', 'x1']),
    (['rng', '-sx', '-c1', '-p1000', '-m9', '-f/dev/urandom'], ['x0']),
    (['template', '--socket-path=x'], ['x']),
    (['gpio', '--socket-path=x', '--socket-count=2', '--device-list=s4:s8'], ['x0', 'x1']),
    (['gpio', '-s', 'x', '-c', '1', '-l', 's4'], ['x0']),
    (['i2c', '--socket-path=x', '--socket-count=2', '--device-list=s2:32:21,s3:10:23'],
     ['x0', 'x1']),
    (['i2c', '-s', 'x', '-c', '1', '-l', 's0:32'], ['x0']),
    (['spi', '--socket-path=x', '--socket-count=2', '--device=s0.0'], ['x0', 'x1']),
    (['spi', '-s', 'x', '-c', '1', '-l', 's0'], ['x0']),
    (['can', '--socket-path=x', '--can-devices=bus:a bus:b', '--socket-count', '2'], ['x0', 'x1']),
    (['can', '-s', 'x', '-d', 'bus:a', '-c', '1'], ['x0']),
    (['rtc', '--socket-path', 'x', '--no-offer-alarm', '--no-utc', '--no-tai'], ['x']),
    (['rtc', '-s', 'x', '--no-monotonic'], ['x']),
    (['console', '--socket-path', 'x', '--socket-count', '2', '--backend', 'network',
      '--tcp-port', '23451', '--max-queue-size', '256'], ['x0', 'x1']),
    (['console', '-s', 'x', '-c', '1', '-b', 'nested', '-p', '12345', '-q', '128'], ['x0']),
    (['vsock', '--guest-cid', '4', '--socket', 'x', '--uds-path', 'y', '--tx-buffer-size',
      '65536', '--queue-size', '1024', '--groups', 'a+b'], ['x', 'y']),
    (['vsock', '--vm', 'guest-cid=3,socket=x,uds-path=y,tx-buffer-size=65536,queue-size=1024,'
      'groups=a', '--vm', 'guest_cid=4,socket=z,uds_path=w,queue_size=64,tx_buffer_size=9999'],
     ['w', 'x', 'y', 'z']),
]


def is_left_out(words):
    """A device that this build does not have."""
    some = ('template', 'gpio', 'i2c', 'spi', 'can', 'console', 'rtc', 'vsock')
    return words[:1] in [[name] for name in some] and run(words[0], '--help').code != 0


@test
def every_spelling_of_a_value():
    for words in (['-s', 'r'], ['-sr'], ['-s=r'], ['--socket-path', 'r'], ['--socket-path=r'],
                  ['--socket=r'], ['-p', '+5', '-s', 'r'], ['-c1', '-p=5', '-sr'],
                  ['--once', '-m=18446744073709551615', '-s', 'r']):
        with folder(), Server('rng', *words):
            equal(os.listdir('.'), ['r0'])


@test
def every_option_of_old():
    for words, sockets in TAKEN:
        if is_left_out(words):
            continue
        with folder(), Server(*words) as server:
            for name in sockets:
                assert is_socket(name), (words, os.listdir('.'))
            equal((words, server.finish(signal.SIGTERM)[0]), (words, 0))
            equal((words, os.listdir('.')), (words, []))


@test
def mistakes_have_a_line_and_leave_nothing():
    with folder():
        for words, part, code in REFUSED:
            if is_left_out(words):
                continue
            answer = run(*words)
            equal((words, answer.code, answer.out), (words, code, ''))
            lines = answer.err.splitlines()
            if part is not None:
                contains(lines[0], part)
            if code == 1:
                equal((words, len(lines)), (words, 1))
            contains(answer.err, 'vhost-device')
            if code == 2 and part is not None:
                contains(answer.err, "For more information, try '--help'.")
            equal((words, os.listdir('.')), (words, []))


@test
def a_full_disk_is_an_error():
    with open('/dev/full', 'w', encoding='utf-8') as full:
        result = subprocess.run([EXE, 'rng', '--help'], stdout=full, stderr=subprocess.PIPE,
                                check=False, timeout=DEADLINE)
    equal(result.returncode, 1)
    contains(result.stderr.decode(), 'standard output cannot be written')


@test
def lists():
    rows = json.loads(run('list', '--json').out)
    rng = [row for row in rows if row['name'] == 'rng'][0]
    equal((rng['virtio_id'], rng['built']), (4, True))
    names = [option['name'] for option in rng['options']]
    equal(len(names), len(set(names)))
    for name in ('socket-path', 'socket-count', 'period', 'max-bytes', 'rng-source', 'threads'):
        contains(names, name)
    for row in rows:
        contains(run('list').out, row['summary'])
        if not row['built']:
            answer = run(row['name'], '-s', 'x')
            equal(answer.code, 1)
            contains(answer.err, 'is not part of this build')
    lines = dict(line.split(': ', 1) for line in run('--features').out.splitlines() if ': ' in line)
    contains(lines['devices'].split(), 'rng')


@test
def capabilities():
    for words in (('--print-capabilities',), ('-s', 'x', '--print-capabilities', '--bogus'),
                  ('--socket-path', '--print-capabilities')):
        answer = run('rng', *words)
        equal((answer.code, answer.err), (0, ''))
        equal(json.loads(answer.out)['type'], 'rng')


@test
def links():
    with folder() as here:
        equal(run('install-links', '.').code, 0)
        names = os.listdir('.')
        contains(names, 'vhost-device-rng')
        equal(run('--version', program='./vhost-device-rng').code, 0)
        equal(run('install-links', here).code, 0)
        os.unlink('vhost-device-rng')
        with open('vhost-device-rng', 'w', encoding='utf-8') as f:
            f.write('mine')
        answer = run('install-links', here)
        equal(answer.code, 1)
        contains(answer.err, 'vhost-device-rng: exists and is no link')
        with open('vhost-device-rng', encoding='utf-8') as f:
            equal(f.read(), 'mine')
        equal(run('install-links', 'absent').code, 1)


@test
def completion_of_bash_works():
    script = run('completion', 'bash').out + '''
t() { COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _vhost_device; echo "${COMPREPLY[@]}"; }
t vhost-device rn
t vhost-device rng --log-t
t /usr/bin/vhost-device-rng --log-level = d
t vhost-device-rng -s /dev/nul
'''
    answer = subprocess.run(['bash', '-c', script], stdout=subprocess.PIPE, check=True,
                            timeout=DEADLINE, encoding='utf-8')
    equal(answer.stdout, 'rng\n--log-target\ndebug\n/dev/null\n')


# ---- sockets ----

@test
def sockets_are_numbered_and_removed():
    for signo in (signal.SIGTERM, signal.SIGINT):
        with folder() as here, Server('rng', '-s', here + '/rng.sock', '-c', '3') as server:
            equal(sorted(os.listdir('.')), ['rng.sock0', 'rng.sock1', 'rng.sock2'])
            connections = [call(f'rng.sock{i}') for i in range(3)]
            code, seconds = server.finish(signo)
            equal(code, 0)
            # One second is the promise; the machine may be slow.
            assert seconds < DEADLINE / 2, seconds
            equal(os.listdir('.'), [])
            equal(server.err(), '')
            equal(server.process.stdout.read(), b'')
            for connection in connections:
                connection.close()


@test
def one_guest_has_a_number_too():
    with folder(), Server('rng', '--socket-path=r'):
        equal(os.listdir('.'), ['r0'])
        # The listener stays over sessions, and nobody is refused in between.
        for _ in range(100):
            call('r0').close()
        equal(os.listdir('.'), ['r0'])


@test
def sighup_and_sigpipe_do_no_harm():
    with folder(), Server('rng', '-s', 'r') as server:
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGPIPE)
        connection = call('r0')
        connection.close()
        equal(server.finish(signal.SIGTERM)[0], 0)


@test
def nothing_but_a_stale_socket_is_replaced():
    with folder():
        with open('r0', 'w', encoding='utf-8') as f:
            f.write('data')
        answer = run('rng', '-s', 'r')
        equal((answer.code, len(answer.err.splitlines())), (1, 1))
        contains(answer.err, 'is not a socket')
        with open('r0', encoding='utf-8') as f:
            equal(f.read(), 'data')
        os.unlink('r0')
        os.symlink('elsewhere', 'r0')
        equal(run('rng', '-s', 'r').code, 1)
        equal(os.readlink('r0'), 'elsewhere')
        os.unlink('r0')
        listening('r0').close()
        with Server('rng', '-s', 'r'):
            call('r0').close()
            second = run('rng', '-s', 'r')
            equal(second.code, 1)
            contains(second.err, 'another process listens')
            call('r0').close()


@test
def a_later_failure_takes_earlier_sockets_back():
    with folder():
        with open('r2', 'w', encoding='utf-8') as f:
            f.write('data')
        answer = run('rng', '-s', 'r', '-c', '4')
        equal(answer.code, 1)
        contains(answer.err, 'rng2: ')
        equal(os.listdir('.'), ['r2'])


@test
def permissions_of_the_socket():
    with folder(), Server('rng', '-s', 'r', '--socket-mode', '640', '--socket-group',
                          str(os.getgid())):
        status = os.lstat('r0')
        equal((stat.S_IMODE(status.st_mode), status.st_gid), (0o640, os.getgid()))


@test
def every_group_has_a_name():
    for group in grp.getgrall()[:4]:
        with folder(), Server('rng', '-s', 'r', '--socket-group', group.gr_name):
            equal(os.lstat('r0').st_gid, group.gr_gid)


@test
def inherited_listening_and_connected_sockets():
    with folder():
        one, (ours, theirs) = listening('one'), socket.socketpair()
        with Server('rng', '--socket-fd', str(one.fileno()), f'--socket-fd={theirs.fileno()}',
                    fds=(one.fileno(), theirs.fileno())) as server:
            one.close()
            theirs.close()
            ask(ours)
            for _ in range(3):
                call('one').close()
            equal(server.finish(signal.SIGTERM)[0], 0)
            # It was not ours to remove.
            assert is_socket('one')


@test
def a_connected_socket_is_one_session():
    ours, theirs = socket.socketpair()
    with folder(), Server('rng', '--fd', str(theirs.fileno()), fds=(theirs.fileno(),)) as server:
        theirs.close()
        ask(ours)
        ours.close()
        equal(server.finish()[0], 0)


@test
def unsuitable_inherited_files():
    with folder(), tempfile.TemporaryFile() as f, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
        for inherited in (f, datagram):
            result = subprocess.run(
                [EXE, 'rng', '--socket-fd', str(inherited.fileno())], check=False,
                pass_fds=[inherited.fileno()], stderr=subprocess.PIPE, timeout=DEADLINE)
            equal(result.returncode, 1)
            equal(len(result.stderr.splitlines()), 1)


def hand_over(*sockets, names=None):
    """preexec_fn: the sockets become 3, 4, ... as a service manager passes them."""
    def preexec():
        high = [os.dup2(s.fileno(), 100 + i, True) for i, s in enumerate(sockets)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i, True)
        os.environ['LISTEN_FDS'] = str(len(high))
    return preexec


@test
def sockets_of_a_service_manager():
    with folder():
        sockets = [listening('a'), listening('b')]
        # LISTEN_PID has to be that of the program, which a shell knows before it becomes it.
        shell = ['sh', '-c', 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', 'sh', EXE, 'rng']
        process = subprocess.Popen(shell, close_fds=False, preexec_fn=hand_over(*sockets),
                                   env=environment())
        try:
            for path in ('a', 'b', 'a'):
                call(path).close()
            process.terminate()
            equal(process.wait(DEADLINE), 0)
        finally:
            process.kill()
            process.wait()


@test
def readiness_is_told():
    with folder():
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind('notify')
            manager.settimeout(DEADLINE)
            with Server('rng', '-s', 'r', env={'NOTIFY_SOCKET': os.path.abspath('notify')}) as s:
                contains(s.ready, b'\n')
                contains(manager.recv(100), b'READY=1')
                call('r0').close()
                s.signal(signal.SIGTERM)
                contains(manager.recv(100), b'STOPPING=1')
                equal(s.finish()[0], 0)


@test
def a_client_finds_a_front_end_that_comes_later():
    with folder(), Server('rng', '--client', 'front') as server:
        front = listening('front')
        front.settimeout(DEADLINE)
        for _ in range(2):
            connection, _ = front.accept()
            ask(connection)
            connection.close()
        front.close()
        equal(server.finish(signal.SIGTERM)[0], 0)


@test
def one_session_with_once():
    with folder(), Server('rng', '-s', 'r', '--once') as server:
        call('r0').close()
        equal(server.finish()[0], 0)
        equal(os.listdir('.'), [])


@test
def a_source_that_does_not_open_can_be_interrupted():
    with folder():
        os.mkfifo('pipe')
        with Server('rng', '-s', 'r', '-f', 'pipe', ready=False) as server:
            # Whether open() of a FIFO blocks or not is the business of the device.
            until(lambda: catches(server.process.pid), 'a handler of SIGTERM')
            equal(server.finish(signal.SIGTERM)[0], 0)
            equal(os.listdir('.'), ['pipe'])


def catches(pid):
    with open(f'/proc/{pid}/status', encoding='utf-8') as f:
        caught = [line for line in f if line.startswith('SigCgt:')][0]
    return int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1


@test
def levels_of_the_log():
    def lines(env, *words):
        with folder(), Server('rng', '-s', 'r', *words, env=env) as server:
            call('r0').close()
            server.finish(signal.SIGTERM)
            return server.err()
    equal(lines({}), '')
    contains(lines({}, '--log-level', 'debug'), 'vhost-device-rng: ')
    contains(lines({'RUST_LOG': 'debug'}), 'vhost-device-rng: ')
    contains(lines({'RUST_LOG': 'vhost_device_rng=debug,other=x'}), 'vhost-device-rng: ')
    equal(lines({'RUST_LOG': 'vhost_device_gpio=debug'}), '')
    equal(lines({'RUST_LOG': 'debug'}, '--log-level', 'error'), '')
    contains(lines({}, '--log-level=debug', '--log-target=journal'), '<')


# ---- files ----

def write(name, text):
    with open(name, 'w', encoding='utf-8') as f:
        f.write(text)


@test
def many_guests_of_a_file():
    with folder():
        text = '[common]\nthreads = 3\nsocket-mode = 600\n[rng]\nperiod = 1000\n'
        for i in range(40):
            text += f'[rng "guest {i}"]\nsocket-path = {i}.sock\n'
        write('many.ini', text)
        with Server('run', 'many.ini') as server:
            equal(len([n for n in os.listdir('.') if is_socket(n)]), 40)
            connections = [call(f'{i}.sock') for i in range(40)]
            with open(f'/proc/{server.process.pid}/status', encoding='utf-8') as f:
                threads = [line.split()[1] for line in f if line.startswith('Threads')]
            equal(int(threads[0]), 3)
            # A front end that breaks the rules ends its own session alone.
            connections[0].sendall(b'\xff' * 12)
            until(lambda: connections[0].recv(100) == b'', 'end of the bad session')
            for connection in connections[1:]:
                ask(connection)
                connection.close()
            call('0.sock').close()
            equal(server.finish(signal.SIGTERM)[0], 0)
            equal(os.listdir('.'), ['many.ini'])


@test
def the_command_line_goes_before_the_file():
    with folder():
        write('f.ini', '[common]\nsocket-mode = 600\n[rng]\nsocket-path = low\n')
        with Server('rng', '--config', 'f.ini') as server:
            assert is_socket('low0')
            equal(server.finish(signal.SIGTERM)[0], 0)
        with Server('rng', '--config', 'f.ini', '-s', 'high', '--socket-mode', '660'):
            equal(stat.S_IMODE(os.lstat('high0').st_mode), 0o660)
            assert not os.path.exists('low0')


BAD_FILES = [
    ('', 'f.ini: no instance in it'),
    ('[rng]\nperoid = 4\n', "f.ini:2: unknown key 'peroid' (tip: a similar key exists: "
     "'period')"),
    ('[gnr "a"]\n', 'f.ini:1: unknown section [gnr]'),
    ('[rng "a"]\nsocket-path = x\nperiod = 70000\n', 'Period is too big: 70000'),
    ('[rng "a"]\nsocket-path = x\nperiod = four\n', 'f.ini:3: period = four: '),
    ('[rng "a"]\n', 'f.ini:1: [rng "a"]: the following required arguments were not provided'),
    ('[rng "a"]\nsocket-path = x\nsocket-path = y\n', 'f.ini:3: '),
    ('[rng "a"]\nsocket-path = ' + 'x' * 300 + '\n', 'f.ini:2: line is longer than'),
    ('[rng "a"]\nsocket-path = x\n[rng "b"]\nsocket-path = x\n', 'another process listens'),
]


@test
def bad_files_are_refused_with_their_line():
    with folder():
        for text, part in BAD_FILES:
            write('f.ini', text)
            answer = run('run', 'f.ini')
            equal((text, answer.code, answer.out), (text, 1, ''))
            equal(len(answer.err.splitlines()), 1)
            contains(answer.err, part)
            equal(os.listdir('.'), ['f.ini'])


play(TESTS)

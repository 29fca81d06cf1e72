# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""A guest's console or keyboard in the terminal of its user: terminal.py EXE DEVICE...

The terminal is one of ours. It is raw while the program runs in the foreground,
and as it was whatever ends the program. The guest is `probe console`, or `probe
input`. Results as TAP.
"""
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time

import backends

EXE = backends.EXE
DEADLINE = 30


def until(true, what):
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, what
        select.select([], [], [], 0.01)


class Terminal:
    """The program with a terminal of its own as a session's, or as a job in the background."""
    device = 'console'

    def __init__(self, folder, *words, background=False):
        self.path = os.path.join(folder, 'c.sock')
        self.control = os.path.join(folder, 'c.ctl')
        self.master, self.tty = os.openpty()
        self.resize(25, 80)
        self.before = termios.tcgetattr(self.tty)
        ready, told = os.pipe()
        wanted, self.foreground = os.pipe()
        self.leader = os.fork()
        if self.leader == 0:
            self.become(told, words, wanted if background else -1)
        os.close(told)
        os.close(wanted)
        assert os.read(ready, 20), 'it is not ready'
        os.close(ready)
        self.pid = self.leader
        if background:
            with open(f'/proc/{self.leader}/task/{self.leader}/children', encoding='ascii') as f:
                self.pid = int(f.read().split()[0])

    def become(self, told, words, wanted):
        """The program, or the shell that has it as a job."""
        os.setsid()
        fcntl.ioctl(self.tty, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(self.tty, fd)
        os.set_inheritable(told, True)
        job = os.fork() if wanted >= 0 else 0
        if job > 0:
            os.close(told)
            os.read(wanted, 1)
            os.tcsetpgrp(0, job)
            os.kill(job, signal.SIGCONT)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(job, 0)[1]))
        if wanted >= 0:
            os.setpgid(0, 0)
        os.execv(EXE, [EXE, self.device, '-s', self.path, '--control', self.control, '--ready-fd',
                       str(told), *words])

    def resize(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))

    def is_raw(self):
        return not termios.tcgetattr(self.tty)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def is_as_before(self):
        return termios.tcgetattr(self.tty) == self.before

    def show(self):
        return subprocess.run([EXE, 'control', self.control, 'show'], stdout=subprocess.PIPE,
                              encoding='utf-8', check=True, timeout=DEADLINE).stdout

    def type(self, data):
        os.write(self.master, data)

    def guest(self, *words, stdin=subprocess.DEVNULL):
        return subprocess.Popen([EXE, 'probe', self.device, self.path + '0', *words],
                                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ended(self):
        """Its status."""
        result = []

        def has_ended():
            pid, status = os.waitpid(self.leader, os.WNOHANG)
            result.append(status)
            return pid != 0
        until(has_ended, 'it does not end')
        until(self.is_as_before, 'the terminal stays raw')
        for fd in (self.master, self.tty, self.foreground):
            os.close(fd)
        return os.waitstatus_to_exitcode(result[-1])


def escape_ends_it(folder):
    t = Terminal(folder)
    assert t.is_raw()
    t.type(b'\x1d')
    assert t.ended() == 0
    t = Terminal(folder, '--escape', '^a')
    t.type(b'\x01')
    assert t.ended() == 0


def end_by_signals(kind, folder):
    for signo, want in ((signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)):
        t = kind(folder)
        assert t.is_raw()
        os.kill(t.pid, signo)
        assert t.ended() == want, signo
        if signo == signal.SIGKILL:
            os.unlink(t.path + '0')
            os.unlink(t.control)


def signals_end_it(folder):
    end_by_signals(Terminal, folder)


def keys_go_to_the_guest(folder):
    # Ctrl-C is one of them, and the escape key in the middle of others.
    keys = b'ls\r\x03\x1a\x04\x1c' + b'a\x1db' + bytes(range(128)) * 3 + b'\x1d\x1dend'
    t = Terminal(folder)
    t.type(keys)
    guest = t.guest('attach', '0', str(len(keys)))
    assert guest.communicate(timeout=DEADLINE)[0] == keys
    assert guest.returncode == 0
    os.kill(t.pid, signal.SIGTERM)
    assert t.ended() == 0


def the_guest_prints(folder):
    t = Terminal(folder)
    guest = t.guest('attach', stdin=subprocess.PIPE)
    text = b''.join(b'line %d\r\n' % i for i in range(5000))
    guest.stdin.write(text)
    guest.stdin.close()
    got = b''
    while len(got) < len(text):
        assert select.select([t.master], [], [], DEADLINE)[0], len(got)
        got += os.read(t.master, 65536)
    assert got == text
    guest.wait(DEADLINE)
    guest.stdout.close()
    os.kill(t.pid, signal.SIGTERM)
    assert t.ended() == 0


def its_size_is_told(folder):
    t = Terminal(folder)
    until(lambda: 'size 80x25' in t.show(), t.show())
    t.resize(43, 132)
    until(lambda: 'size 132x43' in t.show(), t.show())
    guest = t.guest('ports')
    said = guest.communicate(timeout=DEADLINE)[0].decode()
    assert '132' in said and '43' in said, said
    os.kill(t.pid, signal.SIGTERM)
    assert t.ended() == 0


def the_background_is_left_alone(folder):
    t = Terminal(folder, background=True)
    assert t.is_as_before()
    assert 'client none' in t.show()
    os.write(t.foreground, b'fg')
    until(t.is_raw, 'in the foreground it is not raw')
    until(lambda: 'client connected' in t.show(), t.show())
    os.kill(t.pid, signal.SIGTERM)
    assert t.ended() == 0


def pipes_will_do(folder):
    path = os.path.join(folder, 'c.sock')
    ready, told = os.pipe()
    with subprocess.Popen([EXE, 'console', '-s', path, '--ready-fd', str(told)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          pass_fds=[told]) as daemon:
        os.close(told)
        assert os.read(ready, 20)
        os.close(ready)
        data = os.urandom(300000)
        with subprocess.Popen([EXE, 'probe', 'console', path + '0', 'attach', '0', '300000'],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as guest:
            daemon.stdin.write(data)
            daemon.stdin.close()
            guest.stdin.write(b'said')
            assert guest.communicate(timeout=DEADLINE)[0] == data
        assert daemon.stdout.read(4) == b'said'
        daemon.terminate()
        assert daemon.wait(DEADLINE) == 0


class Keyboard(Terminal):
    device = 'input'

    def __init__(self, folder, **more):
        super().__init__(folder, '-e', 'virtual:keyboard:-', **more)

    def watch(self, keys):
        """A guest that is there, and gets so many keys: each is four events."""
        guest = self.guest('--timeout', str(DEADLINE), 'watch', str(4 * keys))
        until(lambda: 'in use' in self.show(), 'no guest')
        return guest

    @staticmethod
    def pressed(guest):
        said = guest.communicate(timeout=DEADLINE)[0].decode()
        assert guest.returncode == 0, said
        return [line.split()[2] for line in said.splitlines()
                if 'EV_KEY' in line and line.endswith(' 1')]

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        assert self.ended() == 0


def escape_ends_a_keyboard(folder):
    for guests in 0, 1:
        t = Keyboard(folder)
        assert t.is_raw()
        guest = t.watch(1) if guests else None
        t.type(b'\x1d')
        assert t.ended() == 0
        if guest:
            guest.communicate(timeout=DEADLINE)


def signals_end_a_keyboard(folder):
    end_by_signals(Keyboard, folder)


def keys_are_pressed(folder):
    t = Keyboard(folder)
    t.type(b'secret\r')
    # Asked for behind it, by a process that has read what was typed.
    until(lambda: not select.select([t.tty], [], [], 0)[0], 'it is not read')
    guest = t.watch(8)
    # Two of these are two keys each; the escape key in the middle of others is none.
    t.type(b'a\x1d\x03\x1b[A\x1b[15~B\r')
    got = t.pressed(guest)
    assert got == ['KEY_A', 'KEY_LEFTCTRL', 'KEY_C', 'KEY_UP', 'KEY_F5', 'KEY_LEFTSHIFT', 'KEY_B',
                   'KEY_ENTER'], got
    t.end()


def a_paste_is_typed(folder):
    t = Keyboard(folder)
    t.type(b'x' * 4000)
    guest = t.watch(12000)
    text = b''.join(b'abcdefghi\r' for _ in range(1200))
    while text:
        assert select.select([], [t.master], [], DEADLINE)[1], len(text)
        text = text[os.write(t.master, text[:1000]):]
    got = t.pressed(guest)
    want = ['KEY_' + c for c in 'ABCDEFGHI'] + ['KEY_ENTER']
    assert got == want * 1200, len(got)
    t.end()


def a_keyboard_in_the_background(folder):
    t = Keyboard(folder, background=True)
    assert t.is_as_before()
    guest = t.watch(1)
    # Somebody else's, whom we are: the terminal still waits for whole lines.
    t.type(b'ls\n')
    assert os.read(t.tty, 100) == b'ls\n'
    os.write(t.foreground, b'fg')
    until(t.is_raw, 'in the foreground it is not raw')
    t.type(b'b')
    assert t.pressed(guest) == ['KEY_B']
    t.end()


def one_keyboard_a_terminal(folder):
    master, tty = os.openpty()
    done = subprocess.run([EXE, 'input', '-s', os.path.join(folder, 's'), '-e',
                           'virtual:keyboard:-,virtual:mouse:-'], stdin=tty, check=False,
                          stderr=subprocess.PIPE, encoding='utf-8', timeout=DEADLINE)
    os.close(master)
    os.close(tty)
    assert done.returncode == 1 and 'in use by another device' in done.stderr, done


TESTS = {
    'console': [escape_ends_it, signals_end_it, keys_go_to_the_guest, the_guest_prints,
                its_size_is_told, the_background_is_left_alone, pipes_will_do],
    'input': [escape_ends_a_keyboard, signals_end_a_keyboard, keys_are_pressed,
              a_paste_is_typed, a_keyboard_in_the_background, one_keyboard_a_terminal],
}


backends.play([test for device in sys.argv[2:] for test in TESTS.get(device, [])])

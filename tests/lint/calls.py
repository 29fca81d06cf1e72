# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Calls that must not be made, and what to use instead."""
import re

import lint

# (places, names, why, files that may)
STARTING = ('src/core/opt.c', 'src/core/conf.c', 'src/core/plan.c')
# Programs are run by one module; another process puts the terminal back when we were killed.
GUARD = 'src/core/tty.c'
CHILDREN = ('src/core/child.c', GUARD)
RULES = [
    (('src/', 'include/', 'tests/'), 'strcpy strcat stpcpy sprintf vsprintf gets',
     'writes without a bound: snprintf() or memcpy()', ()),
    (('src/', 'include/', 'tests/'), 'alloca strdupa strndupa', 'no allocation on the stack', ()),
    (('src/', 'include/'), 'strncpy strncat', 'may leave no terminator: snprintf()', ()),
    (('src/', 'include/'),
     'system popen fork vfork posix_spawn posix_spawnp execl execlp execle execv execvp execve '
     'daemon', 'child_start()', CHILDREN),
    (('src/', 'include/', 'tests/'), 'atoi atol atoll atof', 'no errors seen: num_parse()', ()),
    (('src/', 'include/'),
     'strtol strtoul strtoll strtoull strtoimax strtoumax strtod sscanf fscanf scanf',
     'takes signs, blanks and tails: num_parse()', ('src/core/num.c',)),
    (('src/', 'include/'), 'strtok ctime asctime gmtime localtime ttyname getpwnam '
     'gethostbyname inet_ntoa ptsname readdir_r setlocale', 'static state, and we have threads',
     ()),
    (('src/', 'include/'), 'getgrnam getgrgid getgrnam_r getgrgid_r getpwnam_r getpwuid_r',
     'loads libraries that a static executable cannot have: fgetgrent()', ()),
    (('src/', 'include/'), 'rand srand random srandom rand_r drand48 lrand48', 'getrandom()', ()),
    (('src/', 'include/'), 'exit _exit _Exit quick_exit atexit on_exit err errx verr verrx '
     'pthread_exit', 'only main ends the process: return an error',
     ('src/main.c', 'src/core/process.c', GUARD)),
    # Who reads options has no way on when memory runs out at start.
    (('src/', 'include/'), 'abort assert', 'bug_if(), for bugs of ours only', STARTING),
    (('src/', 'include/'), 'perror psignal', 'log.h, with the name of the object', ()),
    (('src/', 'include/', 'tests/'), 'signal bsd_signal sysv_signal', 'sigaction()', ()),
    (('src/', 'include/'), 'setjmp longjmp sigsetjmp siglongjmp', 'errors are returned', ()),
    (('src/', 'include/'), 'sleep usleep nanosleep clock_nanosleep pause sched_yield',
     'a loop never waits: timer_set()', ()),
    # A thread there is late on purpose; nothing is expected of the time.
    (('tests/',), 'sleep usleep', 'wait for the event with poll() and a deadline',
     ('tests/unit/test-loop.c',)),
    (('src/', 'include/', 'tests/'), 'mktemp tmpnam tempnam tmpfile', 'mkstemp(), memfd_create()',
     ()),
    (('src/devices/',), 'open open64 openat openat2 creat fopen freopen opendir',
     'host_open(), which remembers the path', ()),
    # poll() is for jobs, which may wait
    (('src/devices/',), 'select pselect epoll_wait epoll_pwait', 'the loop waits: io_set()', ()),
    (('src/devices/',), 'pthread_create thrd_create', 'worker_get()', ()),
    (('src/devices/',), 'printf puts putchar vprintf fprintf vfprintf fputs',
     'log.h: standard output belongs to the front', ()),
]
# No handler, no question of how it is installed.
DISPOSITION = re.compile(r'\bsignal\(\w+, SIG_(DFL|IGN)\)')
CALL = re.compile(r'(?<![\w.])(?<!->)([A-Za-z_]\w*)[ \t]*\(')


def table():
    rows = {}
    for places, names, why, may in RULES:
        for name in names.split():
            rows.setdefault(name, []).append((places, why, may))
    return rows


def check(root):
    rows = table()
    for path in filter(lint.is_c, lint.files(root)):
        for number, line in lint.lines(lint.blank(lint.read(root, path))):
            for name in CALL.findall(DISPOSITION.sub('', line)):
                for places, why, may in rows.get(name, ()):
                    if path.startswith(places) and path not in may:
                        yield path, number, f'{name}(): {why}'


SAMPLES = [
    (f'{name} in {place}', {place + 'x.c': f'void f(void)\n{{\n\tx = {name}(y);\n}}\n'},
     f'{name}()')
    for places, names, _, _ in RULES for name in names.split() for place in places
] + [
    ('member, longer name, comment, text', {'src/core/x.c':
     '/* exit() */\nint f(void)\n{\n\tops->open(1);\n\tops.open(2);\n\tmy_exit(3);\n'
     '\tsignal(n, SIG_DFL);\n\treturn puts_all("sleep(1)");\n}\n',
     'src/devices/x.c': 'int f(void)\n{\n\treturn host_open(in) + d->open(in);\n}\n'}, None),
    ('main may exit', {'src/main.c': 'int main(void)\n{\n\texit(2);\n}\n'}, None),
]

if __name__ == '__main__':
    lint.main(check, SAMPLES)

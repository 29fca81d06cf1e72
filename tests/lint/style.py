# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Form that a compiler does not see: widths, lengths, white space, preprocessor."""
import re

import lint

WIDTH, FUNCTION, FILE = 100, 100, 1000
# Shell is left out: a command may be long, and splitting it helps nobody.
CODE = ('.c', '.h', '.py', 'meson.build', 'meson_options.txt')
NOTE = re.compile(r'\b(' + '|'.join(['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK']) + r')\b')
SCRIPT = re.compile(r'#!.*\bpython3?\b')
# The registry declares the row of a device by itself.
EXTERN = re.compile(r'^\s*extern\b(?! const struct device device_\w+;)')
STRUCT_TYPE = re.compile(r'^\s*typedef\s+(struct|union)\b')
CONDITION = re.compile(r'^\s*#\s*(if|ifdef|ifndef|elif)\b(.*)')
GUARD = re.compile(r'^#ifndef (\w+_H)\n#define \1\n', re.MULTILINE)
# What a condition in a .c file may ask for: the compiler, not our features.
MAY_ASK = re.compile(r'__SANITIZE_\w+|__has_\w+|__GNUC__|__clang__|__GLIBC__|NVALGRIND|'
                     r'address_sanitizer|thread_sanitizer|memory_sanitizer|defined|__x86_64__|'
                     r'__aarch64__|__riscv|__\w+__')


def is_text(text):
    return '\0' not in text and '\ufffd' not in text


def check_text(path, text):
    for number, line in lint.lines(text):
        if line.endswith((' ', '\t')):
            yield path, number, 'white space at the end of the line'
        if '\r' in line:
            yield path, number, 'carriage return'
        if NOTE.search(line):
            yield path, number, 'note to self: do it, or leave it out'
    if text and (not text.endswith('\n') or text.endswith('\n\n')):
        yield path, text.count('\n') + 1, 'the file must end with exactly one newline'


def check_code(path, text):
    for number, line in lint.lines(text):
        if len(line.expandtabs(8 if lint.is_c(path) else 4)) > WIDTH:
            yield path, number, f'wider than {WIDTH} columns'
    if text.count('\n') > FILE:
        yield path, FILE, f'longer than {FILE} lines'


def check_functions(path, text):
    """A function is what stands between { and } at column 0 and is no initializer."""
    start, before = None, ''
    for number, line in lint.lines(text):
        if line.startswith('{') and before.rstrip().endswith((')', '_TEST')):
            start = number
        elif line.startswith('}') and start is not None:
            if number - start - 1 > FUNCTION:
                yield path, start, f'function of more than {FUNCTION} lines'
            start = None
        if line.strip():
            before = line


def check_c(path, raw):
    text = lint.blank(raw)
    for match in lint.C_TOKEN.finditer(raw):
        if match.group().startswith('//'):
            yield path, raw.count('\n', 0, match.start()) + 1, 'comments are /* */'
    for number, line in lint.lines(text):
        if line.startswith(' ') and line.strip():
            yield path, number, 'indent with tabs'
        if STRUCT_TYPE.match(line) and path != 'include/wire/le.h':
            yield path, number, 'no typedef of a struct'
        if path.startswith('src/') and path.endswith('.c'):
            yield from check_unit(path, number, line)
    yield from check_functions(path, text)


def check_unit(path, number, line):
    if EXTERN.match(line):
        yield path, number, 'declare it in a header'
    match = CONDITION.match(line)
    if match is not None:
        names = re.findall(r'[A-Za-z_]\w*', match.group(2))
        if not names or not all(MAY_ASK.fullmatch(n) for n in names):
            yield path, number, 'no conditional code: let meson choose a file'


def check(root):
    guards = {}
    for path in lint.files(root):
        text = lint.read(root, path)
        if path.startswith(('LICENSE-', 'tests/fuzz/corp')) or not is_text(text):
            continue
        yield from check_text(path, text)
        if path.endswith(CODE) or SCRIPT.match(text):
            yield from check_code(path, text)
        if lint.is_c(path):
            yield from check_c(path, text)
        if path.endswith('.h'):
            guard = GUARD.search(text)
            if guard is None:
                yield path, 1, 'no include guard'
            elif guards.setdefault(guard.group(1), path) != path:
                yield path, 1, f'include guard of {guards[guard.group(1)]}'


def body(n):
    return 'int f(void)\n{\n' + '\tx();\n' * n + '}\n'


SAMPLES = [
    ('good', {'src/a.c': '/* it is // fine */\nstatic const char *u = "http://x";\n' + body(100),
              'src/t.c': 'static const int t[] = {\n' + '\t1,\n' * 200 + '};\n',
              'src/a.h': '#ifndef A_H\n#define A_H\n#endif\n',
              'src/d.c': 'extern const struct device device_d;\n',
              'src/s.c': '#if defined(__SANITIZE_ADDRESS__)\n#endif\n'}, None),
    ('wide', {'src/a.c': '\t' * 12 + 'abcde\n'}, 'wider'),
    ('wide script', {'x.py': 'x' * 101 + '\n'}, 'wider'),
    ('wide by its first line', {'run': '#!/usr/bin/env python3\n' + 'x' * 101 + '\n'}, 'wider'),
    ('trailing', {'a.md': 'x \n'}, 'white space'),
    ('return', {'a.md': 'x\r\n'}, 'carriage'),
    ('no newline', {'a.md': 'x'}, 'one newline'),
    ('two newlines', {'a.md': 'x\n\n'}, 'one newline'),
    ('note', {'a.md': 'TO' + 'DO: more\n'}, 'note to self'),
    ('note in C', {'src/a.c': '/* FIX' + 'ME */\n'}, 'note to self'),
    ('long function', {'src/a.c': body(101)}, 'function of more'),
    ('long test', {'tests/a.c': 'START_TEST(x)\n{\n' + '\ty();\n' * 101 + '}\nEND_TEST\n'},
     'function of more'),
    ('long file', {'src/a.c': 'int x;\n' * 1001}, 'longer than'),
    ('C++ comment', {'src/a.c': 'int x; // one\n'}, 'comments are'),
    ('spaces', {'src/a.c': 'int f(void)\n{\n        return 1;\n}\n'}, 'tabs'),
    ('typedef', {'src/a.c': 'typedef struct a a;\n'}, 'typedef'),
    ('extern', {'src/a.c': 'extern int x;\n'}, 'in a header'),
    ('feature', {'src/a.c': '#ifdef HAVE_X\n#endif\n'}, 'conditional'),
    ('switched off', {'src/a.c': '#if 0\n#endif\n'}, 'conditional'),
    ('no guard', {'src/a.h': 'int x;\n'}, 'no include guard'),
    ('same guard', {'src/a.h': '#ifndef A_H\n#define A_H\n#endif\n',
                    'src/b.h': '#ifndef A_H\n#define A_H\n#endif\n'}, 'guard of src/a.h'),
]

if __name__ == '__main__':
    lint.main(check, SAMPLES)

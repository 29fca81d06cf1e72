# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Spaces, braces and indentation agree with clang-format; exit 77 without it.

Where a line breaks is the author's choice, and so is the look of a table or of
a #define: formatter versions differ there, and none lays out tables well. So
the tokens of a file are compared with those of its formatted copy:

- two tokens on one line in both: a blank between them in both, or in neither
- a brace at the end of its line, or alone, as the formatter has it
- one statement a line, but for a type that fits on one
- the first token of a statement: the same indentation, outside of initializers
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import lint

TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|\w+|->|\+\+|--|<<=|>>=|<<|>>|[-+*/%&|^!=<>]=|'
    r'&&|\|\||##|\.\.\.|[^\s\w]')
# clang-format reads C as C++.
FOREIGN = {'catch', 'class', 'delete', 'new', 'operator', 'private', 'public', 'template', 'this',
           'try', 'using', 'virtual'}
DIRECTIVE = re.compile(r'^[ \t]*#(?:[^\n\\]|\\\n|\\.)*', re.MULTILINE)


def tokens(text):
    """(token, white space before it, line), without comments and directives"""
    text = lint.blank(text, keep_strings=True)
    text = DIRECTIVE.sub(lambda m: '\n' * m.group().count('\n'), text)
    end, line = 0, 1
    for match in TOKEN.finditer(text):
        gap = text[end:match.start()]
        line += gap.count('\n')
        yield match.group(), gap, line
        end = match.end()


class Nesting:
    """Which braces are open, and whether they hold values or statements."""

    def __init__(self):
        self.open = []
        self.before = ''

    def take(self, token, gap):
        if token in '([':
            self.open.append(self.before if token == '(' else '[')
        elif token == '{':
            values = self.before in ('=', ',', '(', '{', 'return') and self.in_statements() or \
                not self.in_statements() or (self.before == ')' and gap == '')
            self.open.append('values' if values else 'statements')
        elif token in (')', ']', '}') and self.open:
            self.closed = self.open.pop()
        self.before = token

    def in_statements(self):
        return all(kind == 'statements' for kind in self.open)


def indentation(gap):
    return len(gap[gap.rfind('\n') + 1:].expandtabs(8))


def compare(ours, theirs):
    nest = Nesting()
    nest.closed = ''
    for (token, gap, line), (_, wanted, _) in zip(ours, theirs):
        before = nest.before
        broken, should_break = '\n' in gap, '\n' in wanted
        statements = nest.in_statements()
        if before == '' or before in FOREIGN or token in FOREIGN:
            pass
        elif not broken and not should_break:
            if (gap == '') != (wanted == ''):
                yield line, f'{"a" if gap == "" else "no"} blank between {before} and {token}'
        elif broken != should_break:
            if (token == '{' and before in (')', 'else', 'do') and statements) or \
                    (before == '}' and token in ('else', 'while')):
                yield line, f'{before} and {token} belong on ' \
                            f'{"two lines" if should_break else "one line"}'
            elif should_break and statements and token != '}' and (
                    before == ';' or (before == ')' and nest.closed in ('if', 'for', 'while'))):
                yield line, f'{token} begins a line of its own'
        elif statements and before in (';', '{', '}') and token != '}' and \
                indentation(gap) != indentation(wanted):
            yield line, f'{token} begins at column {indentation(gap)}, ' \
                        f'clang-format wants {indentation(wanted)}'
        nest.take(token, gap)


def format_copy(root, paths, copy):
    """All of them in one run, as starting the formatter takes longer than its work."""
    shutil.copy(os.path.join(root, '.clang-format'), copy)
    for path in paths:
        os.makedirs(os.path.dirname(os.path.join(copy, path)), exist_ok=True)
        shutil.copyfile(os.path.join(root, path), os.path.join(copy, path))
    return subprocess.run(['clang-format', '--style=file', '-i', *paths], cwd=copy, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def check(root):
    paths = list(filter(lint.is_c, lint.files(root)))
    with tempfile.TemporaryDirectory() as copy:
        run = format_copy(root, paths, copy) if paths else None
        if run is not None and run.returncode != 0:
            yield '.clang-format', 1, 'clang-format fails: ' + run.stdout.decode(errors='replace')
            return
        for path in paths:
            ours = list(tokens(lint.read(root, path)))
            theirs = list(tokens(lint.read(copy, path)))
            if [t[0] for t in ours] != [t[0] for t in theirs]:
                yield path, 1, 'clang-format changes more than white space'
                continue
            for line, message in compare(ours, theirs):
                yield path, line, message


def function(text):
    return {'.clang-format': lint.read(HERE, '../../.clang-format'),
            'a.c': 'int f(int a, char *b)\n{\n' + text + '\treturn 0;\n}\n'}


HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLES = [
    ('good', function('\tint x = a + 1;\n\n\tif (a)\n\t\tx(a,\n\t\t  b);\n\tfor (;;) {\n\t\tx++;\n'
                      '\t} /* end */\n\tdo {\n\t} while (0);\n'), None),
    ('tables are free', function('\tstatic const int t[] = {\n\t\t1, 2,\n\t\t3 };\n'
                                 '\tstruct s s = { .a = 1,\n\t\t.b = 2 };\n'), None),
    ('small type', {'.clang-format': lint.read(HERE, '../../.clang-format'),
                    'a.h': 'typedef struct { uint8_t b[2]; } le16_t;\n'}, None),
    ('defines are free', function('#define A(x)    x  ,\\\n  y\n'), None),
    ('names foreign to C', function('\tcatch(a);\n\tnew[1] = 2;\n'), None),
    ('if(', function('\tif(a)\n\t\treturn 1;\n'), 'a blank between if and ('),
    ('call (', function('\tx (a);\n'), 'no blank between x and ('),
    ('operator', function('\ta=1;\n'), 'a blank between a and ='),
    ('pointer', function('\tchar* c;\n'), 'no blank between *'),
    ('cast', function('\ta = (int) 1;\n'), 'no blank between )'),
    ('braced value', function('\tstruct s s = {0};\n'), 'a blank between {'),
    ('brace below if', function('\tif (a)\n\t{\n\t\ta();\n\t}\n'), 'on one line'),
    ('else below', function('\tif (a) {\n\t\ta();\n\t}\n\telse {\n\t\tb();\n\t}\n'), 'on one line'),
    ('two statements', function('\ta(); b();\n'), 'line of its own'),
    ('if on one line', function('\tif (a) return 1;\n'), 'line of its own'),
    ('deep', function('\t\ta();\n'), 'begins at column 16'),
    ('brace of a function', {'.clang-format': lint.read(HERE, '../../.clang-format'),
                             'a.c': 'int f(void) {\n\treturn 0;\n}\n'}, 'on two lines'),
]

if __name__ == '__main__':
    if shutil.which('clang-format') is None:
        print('clang-format is not installed')
        sys.exit(lint.SKIP)
    lint.main(check, SAMPLES)

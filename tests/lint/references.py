# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Files that texts and comments name exist, and so do the headings they link to
and, in Markdown, the functions, the options of the build and the files called by
their last name alone. docs/building.md names every option of the build."""
import glob
import os
import re

import lint

TOP = r'(?:src|include|tests|docs|man|subprojects|\.ci)'
# A path from the top of the project, in prose, code spans and comments.
NAMED = re.compile(rf'(?<![\w./$}}-])(?:\./)?({TOP}/[\w./*{{}},-]*[\w*}}/])')
# A page or a command at the top.
PAGE = re.compile(r'`(?:\./)?([A-Z][A-Z]+(?:-[A-Z0-9][\w-]*)?(?:\.md)?|quickstart|run-tests|'
                  r'meson\.build|meson_options\.txt)(?: [^`]*)?`')
# In code spans: `loop.h`, `queue_pop()`. Names of others have no underscore.
SPAN = re.compile(r'`([^`]+)`')
BARE = re.compile(r'(?<![\w./*-])([\w-]+\.(?:c|h|py|sh|build|inc|wrap))(?![\w/-]|\.\w)')
CALLED = re.compile(r'(?<![\w.])([a-z]\w*_\w+)\(\)')
SET = re.compile(r'(?<![\w-])-D(\w+)=')
OPTION = re.compile(r"(?m)^option\('(\w+)'")
MESON = {'b_coverage', 'buildtype', 'c_args', 'c_link_args', 'prefix', 'werror'}
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
HEADING = re.compile(r'(?m)^#+ +(.+?) *#*$')
# Only these capitals are pages; others are metavariables.
PAGES = ('README', 'CONTRIBUTING', 'CHANGELOG', 'LICENSE')
# Sources that meson puts beside the wraps.
FETCHED = re.compile(r'subprojects/(packagecache|[a-z]+-[0-9][^/]*)/')
# Made by a build, or examples of what a reader creates.
EXAMPLES = re.compile(r'(NAME|DEVICE|\bfoo(_|\b)|\bmodule_verb\b|<|\.\.\.)')


def anchors(text):
    for heading in HEADING.findall(text):
        yield re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-')


def expand(path):
    """a{b,c} names two files."""
    match = re.search(r'\{([^{}]*)\}', path)
    if match is None:
        return [path]
    return [p for word in match.group(1).split(',')
            for p in expand(path[:match.start()] + word + path[match.end():])]


def exists(root, path):
    found = [glob.glob(os.path.join(root, p.rstrip('/'))) for p in expand(path)]
    # "src/core/queue" names the files of a module
    return all(f or glob.glob(os.path.join(root, p) + '.[ch]')
               for f, p in zip(found, expand(path)))


def check_links(root, path, number, line):
    for target in LINK.findall(line):
        name, _, anchor = target.partition('#')
        if re.match(r'[a-z]+:', target):
            continue
        full = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(os.path.join(root, full)):
            yield path, number, f'link to {target}, which does not exist'
        elif anchor and anchor not in anchors(lint.read(root, full)):
            yield path, number, f'link to {target}, which has no such heading'


def known(root):
    """Last names of files, and the words of all C."""
    files = {os.path.basename(path) for path in lint.files(root)}
    words = set()
    for path in lint.files(root):
        if lint.is_c(path):
            words.update(re.findall(r'\w+', lint.read(root, path)))
    return files, words


def check_options(root):
    """Those of meson_options.txt are those of the page and of other texts."""
    files = set(lint.files(root))
    if 'meson_options.txt' not in files:
        return
    options = OPTION.findall(lint.read(root, 'meson_options.txt'))
    told = SET.findall(lint.read(root, 'docs/building.md')) if 'docs/building.md' in files else []
    for option in options:
        if option not in told:
            yield 'docs/building.md', 1, f'it does not tell of -D{option}='
    for path in files:
        for number, line in lint.lines(lint.read(root, path)) if path.endswith('.md') else []:
            for option in SET.findall(line):
                if option not in options and option not in MESON:
                    yield path, number, f'there is no option {option}'


def check_names(path, number, line, files, words):
    for span in SPAN.findall(line):
        for name in BARE.findall(span):
            if name not in files and not EXAMPLES.search(name):
                yield path, number, f'{name} is no file here'
        for name in CALLED.findall(span):
            if name not in words and not EXAMPLES.search(name):
                yield path, number, f'there is no {name}()'


def check(root):
    yield from check_options(root)
    files, words = known(root)
    for path in lint.files(root):
        prose = path.endswith('.md')
        if not prose and not (lint.is_c(path) and path.startswith(('src/', 'include/', 'tests/'))):
            continue
        text = lint.read(root, path)
        if not prose:   # comments only
            text = ''.join(old if old != new or old in '\n\t' else ' ' for old, new in
                           zip(text, lint.blank(text, keep_strings=True)))
        for number, line in lint.lines(text):
            if prose:
                yield from check_links(root, path, number, line)
                yield from check_names(path, number, line, files, words)
            names = NAMED.findall(line)
            if prose:
                names += [n for n in PAGE.findall(line)
                          if n.islower() or n.startswith('meson') or n.startswith(PAGES)]
            for name in names:
                if name.endswith('.rst') or FETCHED.match(name):
                    continue    # a page of QEMU, or not in the repository
                if not EXAMPLES.search(line[line.find(name):][:len(name) + 4]) \
                        and not exists(root, name):
                    yield path, number, f'{name} does not exist'


SAMPLES = [
    ('good', {'README.md': '# Top page\nSee `docs/a.md`, docs/{a,b}.md, `src/core/x` and [a]'
              '(docs/a.md#the-end), [u](https://x.y/z), [t](#top-page), src/*/x.c, `./quickstart`,'
              ' `docs/NAME.md`, `/usr/src/x.c`, `sub/src/y.c`.\n',
              'docs/a.md': '## The end\n[back](../README.md)\n', 'docs/b.md': 'x\n',
              'src/core/x.c': '/* docs/a.md */\nint x = "docs/none.md";\n', 'quickstart': '\n'},
     None),
    ('gone in prose', {'README.md': 'See `docs/a.md`.\n'}, 'docs/a.md'),
    ('gone in braces', {'README.md': 'docs/{a,b}.md\n', 'docs/a.md': 'x\n'}, 'docs/{a,b}.md'),
    ('gone page', {'README.md': '`CHANGELOG.md`\n'}, 'CHANGELOG.md'),
    ('gone command', {'README.md': '`./run-tests --quick`\n'}, 'run-tests'),
    ('gone folder', {'README.md': 'tests/none/\n'}, 'tests/none/'),
    ('fetched', {'README.md': 'subprojects/packagecache/, subprojects/x-1.2/\n'}, None),
    ('gone wrap', {'README.md': 'subprojects/x.wrap\n'}, 'subprojects/x.wrap'),
    ('gone link', {'docs/a.md': '[x](b.md)\n'}, 'link to b.md'),
    ('gone heading', {'docs/a.md': '# One\n[x](#two)\n'}, 'no such heading'),
    ('gone by its last name', {'docs/a.md': 'See `b.h`.\n', 'src/b.c': '\n'}, 'b.h is no file'),
    ('gone function', {'docs/a.md': 'See `b_do()`.\n', 'src/b.c': 'b_done();\n'}, 'no b_do()'),
    ('good names', {'docs/a.md': '`b_do()`, `b.h`, `foo.c`, `read()`, `foo_x()`\n',
                    'src/b.h': 'void b_do(void);\n'}, None),
    ('untold option', {'meson_options.txt': "option('speed', type: 'boolean')\n",
                       'docs/building.md': '-Dprefix=/\n'}, 'tell of -Dspeed='),
    ('gone option', {'meson_options.txt': '\n', 'README.md': '`-Dspeed=9`\n'}, 'no option speed'),
    ('gone in a comment', {'src/a.c': '/* docs/a.md draws it */\n'}, 'docs/a.md'),
]

if __name__ == '__main__':
    lint.main(check, SAMPLES)

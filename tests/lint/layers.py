# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The include graph: who may know whom."""
import os
import re

import lint

# Inside the core an include points to the same row or to one above it here. A
# new module goes into the highest row that has all it uses above or beside it;
# name-part.c belongs to the module name.
ORDER = [
    ['util', 'error', 'log', 'fd', 'num', 'poison', 'stall', 'vu-name',
     'input-names'],
    ['loop', 'worker', 'child', 'shared', 'opt', 'option', 'common', 'dl', 'tty'],
    ['channel', 'mem'],
    ['queue', 'chain', 'gbuf', 'device'],
    ['vu', 'upcall'],
    ['instance', 'reset', 'listen', 'list', 'stats', 'sandbox', 'registry', 'conf', 'plan',
     'control'],
    ['process', 'member', 'reload'],
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}

# The transport is given a table of calls; it has never heard of devices.
NEVER = {'channel': ['device'], 'vu': ['device'], 'upcall': ['device']}

HALVES = ['util', 'error', 'error-type', 'log', 'fd', 'num', 'loop', 'vu-name', 'input-names']
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]')


def module(path):
    """src/core/queue-core.h and vhost-device/queue.h belong to the module queue."""
    name = os.path.splitext(os.path.basename(path))[0]
    return name[:-5] if name.endswith('-core') else name


def rank_of(name):
    """Rank of a module: queue-split.c is a file of queue."""
    while name not in RANK and '-' in name:
        name = name.rsplit('-', 1)[0]
    return RANK.get(name)


def check_core(path, quote, target):
    if quote == '<':
        return None
    folder = target.split('/')[0]
    if folder not in ('core', 'vhost-device', 'wire'):
        return f'the core must not include {target}'
    if folder == 'wire':
        return None
    mine, other = rank_of(module(path)), rank_of(module(target))
    if mine is None:
        return f'module {module(path)} has no place in the order of tests/lint/layers.py'
    if other is None:
        return f'module {module(target)} has no place in the order of tests/lint/layers.py'
    for name, never in NEVER.items():
        if module(path).split('-')[0] == name and module(target) in never:
            return f'{name} must not know {target}'
    if other > mine:
        return f'{module(path)} must not include {target}: it is built on top of it'
    return None


def check_device(path, quote, target):
    if quote == '<':
        if target.startswith('event2/') or target in ('event.h', 'ini.h'):
            return f'a device must not include {target}: use vhost-device/loop.h or its options'
        return None
    if target.split('/')[0] in ('vhost-device', 'wire'):
        return None
    if '/' not in target and os.path.dirname(path) != 'src/devices':
        return None     # the private header of a device that is a folder
    return f'a device must not include {target}'


def check_halves(path, quote, target):
    if quote == '<':
        return None
    folder = target.split('/')[0]
    if folder in ('frontend', 'vhost-frontend', 'probe', 'wire') or '/' not in target:
        return None
    if folder in ('core', 'vhost-device') and module(target) in HALVES:
        return None
    return f'the front end must not share {target} with the back end'


def check_probe(path, quote, target):
    """Tools are front ends with options."""
    if quote == '"' and target in ('core/opt-doc.h', 'core/opt.h', 'vhost-device/option.h'):
        return None
    return check_halves(path, quote, target)


def check_include(path, quote, target):
    if quote == '<':
        if target.startswith('event2/'):
            return 'include/ must not show libevent'
        return None
    folder = target.split('/')[0]
    if folder == 'wire' or path.startswith(f'include/{folder}/'):
        return None
    if path.startswith('include/vhost-frontend/') and folder == 'vhost-device' and \
            module(target) in HALVES:
        return None
    return f'{os.path.dirname(path)} must not include {target}'


def check_other(path, quote, target):
    if quote == '"' and target.startswith(('devices/', 'src/')):
        return f'nothing may include {target}'
    return None


PLACES = [
    ('src/core/', check_core), ('src/devices/', check_device), ('src/frontend/', check_halves),
    ('src/probe/', check_probe), ('tests/frontend/', check_halves),
    ('include/', check_include), ('', check_other),
]


def check(root):
    for path in filter(lint.is_c, lint.files(root)):
        rule = next(rule for place, rule in PLACES if path.startswith(place))
        for number, line in lint.lines(lint.blank(lint.read(root, path), keep_strings=True)):
            match = INCLUDE.match(line)
            if match is None:
                continue
            quote, target = match.groups()
            if '..' in target.split('/') or target.startswith('/'):
                yield path, number, f'relative include of {target}'
                continue
            message = rule(path, quote, target)
            if message is not None:
                yield path, number, message


SAMPLES = [
    ('upward include', {'src/core/loop.c': '#include "core/loop-core.h"\n'
                        '#include "vhost-device/error.h"\n#include <event2/event.h>\n'}, None),
    ('comment', {'src/core/num.c': '/*\n#include "core/queue-core.h"\n*/\n'}, None),
    ('base on queue', {'src/core/num.c': '#include "core/queue-core.h"\n'}, 'built on top'),
    ('log on instance', {'src/core/log.c': '#include "vhost-device/instance.h"\n'},
     'built on top'),
    ('queue on instance', {'src/core/queue-split.c': '#include "core/instance-core.h"\n'},
     'built on top'),
    ('transport and device', {'src/core/vu.c': '#include "vhost-device/device.h"\n'}, 'not know'),
    ('unknown module', {'src/core/zebra.c': '#include "core/mem.h"\n'}, 'no place'),
    ('core and device', {'src/core/instance.c': '#include "devices/rng.h"\n'}, 'core must not'),
    ('device and core', {'src/devices/rng.c': '#include "core/queue-core.h"\n'}, 'device must not'),
    ('device and device', {'src/devices/rng.c': '#include "gpio.h"\n'}, 'device must not'),
    ('folder of a device', {'src/devices/gpio/gpio.c': '#include "gpio.h"\n'
                            '#include <gpiod.h>\n#include "vhost-device/device.h"\n'}, None),
    ('device and libevent', {'src/devices/rng.c': '#include <event2/event.h>\n'}, 'loop.h'),
    ('relative', {'src/devices/rng.c': '#include "../core/mem.h"\n'}, 'relative'),
    ('halves', {'src/frontend/conn.c': '#include "core/mem.h"\n'}, 'must not share'),
    ('halves share', {'src/frontend/conn.c': '#include "core/loop-core.h"\n'
                      '#include "wire/le.h"\n#include "frontend/conn.h"\n'}, None),
    ('front end header', {'include/vhost-frontend/a.h': '#include "vhost-device/error.h"\n'
                          '#include "vhost-frontend/b.h"\n'}, None),
    ('front end header reaches', {'include/vhost-frontend/a.h':
                                  '#include "vhost-device/queue.h"\n'}, 'must not include'),
    ('libevent shown', {'include/vhost-device/x.h': '#include <event2/event.h>\n'}, 'libevent'),
    ('wire on api', {'include/wire/x.h': '#include "vhost-device/util.h"\n'}, 'must not include'),
    ('test of a device', {'tests/unit/test-x.c': '#include "devices/rng.c"\n'}, 'nothing may'),
]

if __name__ == '__main__':
    lint.main(check, SAMPLES)

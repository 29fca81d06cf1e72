#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""The tools as their users see them: on our devices, on nothing, on liars.

probe.py EXECUTABLE. Speaks TAP. Peers that tests/setup fetched earlier are
described as well.
"""
import concurrent.futures
import json
import os
import select
import socket
import struct
import subprocess
import time

from backends import (CONFIG, EXE, GET_CONFIG, GET_FEATURES, GET_PROTOCOL, GET_QUEUE_NUM, MQ, Liar,
                      Served, expect, honest, play, reply, run, until)

HERE = os.path.dirname(os.path.abspath(__file__))


def served(folder, device, *args):
    path = device + '.sock'
    return Served(folder, device, [EXE, device, '--socket-path', os.path.join(folder, path),
                                   *args], path + ('' if device in ('rtc', 'template') else '0'))


# -- Cases: each gets an empty folder ------------------------------------------

def rng_is_described(folder):
    with served(folder, 'rng') as path:
        expect(run('probe', path), 0, 'rng (virtio id 4), a guess', 'queues:                1')
        found = json.loads(expect(run('probe', path, '--json'), 0).stdout)
        assert found['device']['name'] == 'rng' and found['device']['guessed'] is True
        assert found['queues'] == 1 and 'VERSION_1' in found['features']['names']
        expect(run('probe', path, '--id', '4'), 0, 'as given')
        expect(run('probe', path, '--id', 'nonsense'), 2, 'not known here')


def rng_is_read(folder):
    with served(folder, 'rng') as path:
        target = os.path.join(folder, 'bytes')
        expect(run('probe', 'rng', path, 'read', '100K', target), 0, '102400')
        assert os.path.getsize(target) == 102400
        for packed in [], ['--packed']:
            found = json.loads(run('probe', 'rng', path, 'read', '1M', '--json', *packed).stdout)
            assert found['bytes'] == 1 << 20 and found['shortest_answer'] > 0
            assert 45 < found['ones'] < 55 and found['chi_square'] < 400
        expect(run('probe', 'rng', path, 'read', 'much'), 2, 'is no number of bytes')
        expect(run('probe', 'rng', path, 'read'), 2, 'SIZE [FILE]')
        expect(run('probe', 'rng', path, 'write', '1'), 2, "no action 'write'")
        expect(run('probe', 'rng', path, 'read', '1', '/no/such/folder/file'), 1, '/no/such')


def gpio_lines_are_used(folder):
    if run('gpio', '--help').returncode != 0:
        return 'gpio is not built'
    control = os.path.join(folder, 'control')
    with served(folder, 'gpio', '-l', 's4[0/wire=1,1/name=key,2/pull-up,3]', '--control',
                control) as path:
        expect(run('control', control, 'drive', 'key', '1'), 0)
        expect(run('probe', 'gpio', path, 'get', 'key'), 0, '1')
        expect(run('control', control, 'drive', 'key', 'float'), 0)
        expect(run('control', control, 'show'), 0, '1 s4/1 free irq=0 level=0 ', ' key\n')
        expect(run('control', control, 'help'), 0, 'drive LINE 0|1|float')
        expect(run('control', control, 'drive', 'key'), 1, 'error: use: drive LINE')
        expect(run('control', control, 'drive', 'lock', '1'), 1, 'no line is called lock')
        expect(run('control', control, 'dance'), 1, "no command 'dance'")
        expect(run('control', control, *['x'] * 40), 1, 'more than 32 words')
        expect(run('control', control, 'x' * 600), 1, 'too long')
        expect(run('control', control), 2, 'give the socket')
        expect(run('control', control + 'x', 'show'), 1, 'No such file')
        expect(run('probe', path), 0, 'gpio (virtio id 41)')
        found = json.loads(expect(run('probe', 'gpio', path, 'lines', '--json'), 0).stdout)
        assert found == {'line_0': 'in 0 dummy0', 'line_1': 'in 0 key', 'line_2': 'in 1 dummy2',
                         'line_3': 'in 0 dummy3'}, found
        expect(run('probe', 'gpio', path, 'get', 'key', '2'), 0, 'key:', '1')
        for packed in [], ['--packed']:
            expect(run('probe', 'gpio', path, 'set', '0=1', 'dummy3=0', *packed), 0, 'reads 1')
            expect(run('probe', 'gpio', path, 'watch', '2', 'high', '100', *packed), 0, '100')
        expect(run('probe', 'gpio', path, 'watch', '2', 'low', '--timeout', '1'), 1, '0 interrupts')
        expect(run('probe', 'gpio', path, 'watch', '2', 'blue'), 2, 'rising, falling')
        expect(run('probe', 'gpio', path, 'get', '4'), 2, 'number up to 3')
        expect(run('probe', 'gpio', path, 'set', '0'), 2, 'LINE=0')
    return None


def template_answers(folder):
    if 'template' not in run('list').stdout.split('left out')[0] or \
            run('template', '--help').returncode != 0:
        return 'template is not built'
    with served(folder, 'template') as path:
        expect(run('probe', 'template', path, 'echo', 'a b c'), 0, 'a b c')
        found = json.loads(run('probe', path, '--json', '--id', 'template').stdout)
        assert found['config'] == {'requests': 1, 'last_length': 5}, found
    return None


def spi_is_driven(folder):
    if 'spi' not in run('list').stdout.split('left out')[0] or \
            run('spi', '--help').returncode != 0:
        return 'spi is not built'
    with served(folder, 'spi', '-l', 's0.0:nor,s0.1:max-freq=10M,-,s1:fail=2',
                '-c', '2') as path:
        def probe(*words, to=path):
            return run('probe', 'spi', to, *words)
        info = json.loads(run('probe', 'spi', path, 'info', '--json').stdout)
        assert info['chips'] == 4 and info['max_hz'] == 0, info
        expect(probe('id'), 0, 'ef 40 14')
        expect(probe('transfer', 'w1', '6', 'w7', '2', '0', '0', '0', '1', '2', '0xff'), 0)
        expect(probe('read', '0', '4'), 0, '01 02 ff ff')
        expect(probe('read', '0x1000000', '2'), 0, '01 02')
        expect(probe('loopback', 'cs=1'), 0, '131068')
        expect(probe('loopback', 'cs=0'), 1, 'did not come back')
        expect(probe('transfer', 'cs=1', 'mode=3', 'bits=8', 'hz=20000000', 'x2', '1', '255'), 0,
               '01 ff')
        expect(probe('transfer', 'cs=2', 'r1'), 1, 'refused')
        expect(probe('transfer', 'cs=1', 'mode=64', 'r1'), 1, 'refused')
        expect(probe('transfer', 'cs=3', 'r1', 'r1'), 1, 'failed')
        for words in ['r'], ['q1'], ['w2', '1'], ['x1', '256'], ['cs=256', 'r1'], ['what=1'], \
                ['r0'], ['r65537']:
            expect(probe('transfer', *words), 2)
        expect(probe('read', '0', '65537'), 1, 'from 1 to 65536')
        expect(run('bench', path, '--device', 'spi', '--requests', '200'), 0)
        # Two guests of one flash: a command and its answer stay together.
        other = path[:-1] + '1'
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for done in pool.map(lambda to: [probe('id', to=to) for _ in range(20)],
                                 [path, other]):
                for one in done:
                    expect(one, 0, 'ef 40 14')
    return None


def i2c_is_driven(folder):
    if 'i2c' not in run('list').stdout.split('left out')[0] or \
            run('i2c', '--help').returncode != 0:
        return 'i2c is not built'
    with served(folder, 'i2c', '--device-list', 's0:0x20:0x50:0x150/ten') as path:
        def transfer(*words):
            return run('probe', 'i2c', path, 'transfer', *words)
        assert json.loads(run('probe', 'i2c', path, 'scan', '--json').stdout)['clients'] == \
            ['0x20', '0x50']
        expect(run('probe', 'i2c', path, 'scan', '0x50', '0x60'), 0, '0x50')
        expect(run('probe', 'i2c', path, 'scan', '128'), 2, 'is no address')
        for address in '0x20', '80', '0x150':
            expect(transfer('w3@' + address, '0x10', '7', '0xab'), 0)
            expect(transfer('w1@' + address, '16', 'r2'), 0, '07 ab')
        expect(transfer('w1@0x50', '0', 'r3', 'w1@0x20', '16', 'r1'), 0, 'ff ff ff', '07')
        expect(transfer('r1@0x21'), 1, 'a message to 0x21 failed')
        expect(transfer(*['r0@0x20'] + ['r0'] * 41), 0)
        for words in ['r1'], ['x1@2'], ['r@2'], ['r9999@2'], ['r1@2000'], ['r1@0xg'], \
                ['w2@0x20', '1'], ['w1@0x20', '256'], ['w1@0x20', 'x'], ['r0@1'] + ['r0'] * 42:
            expect(transfer(*words), 2)
        expect(run('bench', path, '--device', 'i2c', '--requests', '200'), 0)
    return None


def input_is_watched(folder):
    if 'input' not in run('list').stdout.split('left out')[0] or \
            run('input', '--help').returncode != 0:
        return 'input is not built'
    script = os.path.join(folder, 'script')
    with open(script, 'w', encoding='utf-8') as f:
        f.write('tap leftctrl+c\ntype x\n')
    with served(folder, 'input', '-e', f'virtual:keyboard:{script},virtual:touch',
                '--name', 'Left', '--name', 'Right', '--serial', '', '--serial', 'S 1') as path:
        def probe(*words, to=path):
            return run('probe', '--timeout', '20', 'input', to, *words)
        events = json.loads(probe('watch', '12', '--json').stdout)['events']
        assert events[0::2] == ['EV_KEY KEY_LEFTCTRL 1', 'EV_KEY KEY_C 1', 'EV_KEY KEY_C 0',
                                'EV_KEY KEY_LEFTCTRL 0', 'EV_KEY KEY_X 1', 'EV_KEY KEY_X 0']
        assert set(events[1::2]) == {'EV_SYN SYN_REPORT 0'}
        info = json.loads(probe('info', '--json').stdout)
        assert info['name'] == 'Left' and 'serial' not in info and info['repeat'] == \
            ['REP_DELAY', 'REP_PERIOD'] and 'KEY_MICMUTE' in info['keys'], info
        other = json.loads(probe('info', '--json', to=path[:-1] + '1').stdout)
        assert other['serial'] == 'S 1' and other['properties'] == ['INPUT_PROP_DIRECT'], other
        assert 'ABS_MT_SLOT 0 to 9, fuzz 0, flat 0, resolution 0' in other['absolute'], other
        expect(probe('led', 'capsl', '1'), 0)
        for words in ['led', 'nothing', '1'], ['led', 'capsl', '2'], ['watch', '0'], \
                ['watch', 'x']:
            expect(probe(*words), 2)
        expect(run('probe', '--timeout', '1', 'input', path, 'watch', '1'), 1, '0 events came')
        expect(run('bench', path, '--device', 'input', '--requests', '200'), 0)
    return None


def rtc_is_read(folder):
    if 'rtc' not in run('list').stdout.split('left out')[0] or \
            run('rtc', '--help').returncode != 0:
        return 'rtc is not built'
    with served(folder, 'rtc', '--clock', 'utc-step,offset=3600', '--clock', 'monotonic',
               '--clock', 'utc-smeared:sls,alarm=false') as path:
        def rtc(*words):
            return run('probe', 'rtc', path, *words)

        def found(*words):
            return json.loads(rtc(*words, '--json').stdout)
        clocks = found('clocks')
        assert [clocks[f'clock_{i}']['kind'] for i in range(3)] == \
            ['UTC', 'monotonic', 'smeared UTC, UTC-SLS'], clocks
        assert [clocks[f'clock_{i}']['alarm'] for i in range(3)] == [True, True, False], clocks
        hour = found('compare', '0', '100')
        assert hour['readings'] == 100 and hour['went_back'] == 0, hour
        # A reading lies between two looks at the host's clock, unless that is set meanwhile.
        assert 3590e6 < hour['offset'] < 3610e6, hour
        assert abs(found('compare', '1', '100')['offset']) < 1e6
        assert found('alarm', '0', '5', '3')['alarms'] == 3
        assert found('alarm', '1', '5')['late'] > 0
        expect(rtc('alarm', '2'), 1, 'clock 2 has no alarm')
        expect(rtc('compare', '3'), 1, 'status 3')
        for words in ['compare', 'x'], ['compare', '0', '0'], ['alarm', '0', '0'], \
                ['alarm', '0', '1', 'x'], ['alarm', '-1']:
            expect(rtc(*words), 2)
        expect(run('bench', path, '--device', 'rtc', '--requests', '200'), 0)
    return None


def nobody(folder):
    path = os.path.join(folder, 'x')
    expect(run('probe', path), 1, 'no such socket', '--wait')
    expect(run('probe', 'rng', path, 'read', '1'), 1, 'no such socket')
    with open(path, 'w', encoding='utf-8'):
        pass
    expect(run('probe', path), 1, 'a regular file, not a socket')
    expect(run('probe', folder), 1, 'a directory, not a socket')
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    expect(run('probe', path), 1, 'nobody listens')
    os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        expect(run('probe', path), 1, 'not a stream socket')
    expect(run('probe', 'x' * 200), 1, 'too long')


def bad_words(_):
    expect(run('probe'), 2, 'WORD')
    expect(run('probe', 'a', 'b'), 2, 'give a socket alone')
    expect(run('probe', 'no', 'such', 'driver'), 2, "no driver for 'no'")
    expect(run('probe', '--timeout', '0', 'x'), 1, 'timeout')
    expect(run('probe', '--help'), 0, 'rng SOCKET read SIZE')
    expect(run('help', 'probe'), 0, 'rng SOCKET read SIZE')
    expect(run('probe', '--version'), 0, 'vhost-device-probe')


def wait_for_it(folder):
    path = os.path.join(folder, 'late')
    probe = subprocess.Popen([EXE, 'probe', path, '--wait', '--timeout', '30'],
                             stdout=subprocess.PIPE, text=True)
    with Served(folder, 'late', [EXE, 'rng', '--socket-path', path], 'late0'):
        os.symlink(path + '0', path)
        out, _ = probe.communicate(timeout=60)
    assert probe.returncode == 0 and 'rng' in out, out


def stalls(folder):
    for silent_at in GET_FEATURES, GET_PROTOCOL, GET_QUEUE_NUM:
        def behave(conn, request, body, at=silent_at):
            return None if request == at else honest(conn, request, body)
        with Liar(folder, behave) as path:
            start = time.monotonic()
            expect(run('probe', path, '--timeout', '1'), 1, 'did not answer in time')
            assert time.monotonic() - start < 20


def drips(folder):
    """Each answer in time, all of them together not."""
    def behave(conn, request, body):
        if request == GET_QUEUE_NUM:
            conn.sendall(struct.pack('=III', request, 5, 8))
            for _ in range(8):
                if select.select([conn], [], [], 0.7)[0]:
                    return False
                conn.sendall(b'\0')
        return honest(conn, request, body)
    with Liar(folder, behave) as path:
        expect(run('probe', path, '--timeout', '1'), 1, 'did not answer in time')


def closes(folder):
    for number, request in enumerate([GET_FEATURES, GET_PROTOCOL, 16, GET_QUEUE_NUM], 1):
        def behave(conn, got, body, at=request):
            return False if got == at else honest(conn, got, body)
        with Liar(folder, behave) as path:
            done = run('probe', path)
            expect(done, 1, 'hung up' if number != 3 else '')
            expect(run('probe', 'rng', path, 'read', '1'), 1)


def lies(folder):
    def answers(table):
        def behave(conn, request, body):
            if request in table:
                conn.sendall(table[request])
                return None
            return honest(conn, request, body, protocol=MQ | CONFIG)
        return behave

    def message(request, size, payload, flags=5):
        return struct.pack('=III', request, flags, size) + payload

    cases = [
        ({GET_FEATURES: b'SSH-2.0-OpenSSH_9.2p1 Debian\r\n'}, 'vhost-user back end?'),
        ({GET_FEATURES: message(GET_FEATURES, 4, b'\0' * 4)}, '4 bytes'),
        ({GET_FEATURES: message(GET_FEATURES, 0xffffffff, b'')}, 'announced'),
        ({GET_FEATURES: message(GET_FEATURES, 8, b'\0' * 8, flags=0xd)}, 'flags'),
        ({GET_FEATURES: message(99, 8, b'\0' * 8)}, 'answered as'),
        ({GET_QUEUE_NUM: message(GET_QUEUE_NUM, 8, b'\xff' * 8)}, 'queues'),
        ({GET_CONFIG: message(GET_CONFIG, 12 + 256, struct.pack('=III', 0, 9999, 0) +
                              b'\0' * 256)}, 'GET_CONFIG'),
        ({GET_CONFIG: message(GET_CONFIG, 400, b'\0' * 400)}, 'GET_CONFIG'),
    ]
    for table, text in cases:
        with Liar(folder, answers(table)) as path:
            expect(run('probe', path, '--timeout', '2'), 1, text)
            expect(run('probe', path, '--json', '--timeout', '2'), 1)


def hostile_text(folder):
    """What a back end says cannot reach the terminal raw, nor break JSON."""
    tag = b'\x1b[31m"\\\xff\n'
    config = (tag.ljust(36, b'\0') + struct.pack('<I', 1)).ljust(256, b'\0')

    def behave(conn, request, body):
        if request == GET_CONFIG:
            off, size, flags = struct.unpack('=III', body[:12])
            reply(conn, request, struct.pack('=III', off, size, flags) + config[:size])
            return None
        return honest(conn, request, body, protocol=MQ | CONFIG, queues=2)
    with Liar(folder, behave) as path:
        done = expect(run('probe', path, '--id', 'fs'), 0, '\\x1b[31m')
        assert '\x1b' not in done.stdout
        json.loads(run('probe', path, '--id', 'fs', '--json').stdout)
        json.loads(run('probe', path, '--json').stdout)


def bench(path, *args):
    done = run('bench', path, '--seconds', '1', '--json', *args)
    return json.loads(expect(done, 0).stdout)


def rng_is_measured(folder):
    with served(folder, 'rng', '--inband') as path:
        for args in [], ['-d', '32'], ['--packed'], ['--indirect', '--segments', '4'], \
                ['--no-event-idx', '--packed', '-d', '7'], ['--spin'], ['--queue-size', '256'], \
                ['--inband'], ['--inband', '--packed', '-d', '16'], ['--inband', '--spin']:
            found = bench(path, *args)
            load, result = found['load'], found['result']
            assert load['device'] == 'rng' and result['requests'] > 0, found
            assert load['ring'] == ('packed' if '--packed' in args else 'split')
            assert load['event_idx'] == ('--no-event-idx' not in args)
            assert load['in_band'] == ('--inband' in args)
            assert sum(b['count'] for b in result['histogram']) == result['requests']
            times = [result['latency_us'][k] for k in ('p50', 'p90', 'p99', 'p99.9', 'max')]
            assert times == sorted(times) and times[0] > 0, times
            assert 'wrong_answers' not in result and result['cpu_seconds'] >= 0
        found = bench(path, '--rate', '500', '--requests', '100')
        assert found['load']['rate'] == 500 and found['result']['requests'] <= 110, found
        assert found['result']['seconds'] >= 90 / 500, found
        found = bench(path, '--requests', '50')
        assert 50 <= found['result']['requests'] <= 60, found
        expect(run('bench', path, '--seconds', '1'), 0, 'p99.9:', '###', '%')


def two_are_compared(folder):
    other = os.path.join(folder, 'other')
    os.mkdir(other)
    with served(folder, 'rng') as first, served(other, 'rng') as second:
        found = bench(first, '--vs', second, '-d', '4')
        ratio = found['second_to_first']
        assert all(ratio[k] > 0 for k in ('requests_per_second', 'p50', 'max')), ratio
        assert found['first']['process'] != found['second']['process']
        expect(run('bench', first, '--vs', os.path.join(folder, 'no')), 1, 'no such socket')


def bad_loads(folder):
    with served(folder, 'rng') as path:
        expect(run('bench', path, '--device', 'toaster'), 2, 'no load is known')
        expect(run('bench', path, '--device', 'block'), 1, 'CONFIG was not negotiated')
        expect(run('bench', path, '-d', '4096', '--queue-size', '16'), 2, 'do not fit')
        expect(run('bench', path, '--queues', '9'), 1, 'has 1 queues, not 9')
        expect(run('bench', path, '--in', '1', '--queue-size', '24'), 1, '24 entries')
    expect(run('bench', path), 1, 'no such socket')
    expect(run('bench'), 2, 'SOCKET')


def in_use(pid, kind):
    """Open descriptors of a kind, of a process that opens and closes them."""
    found = 0
    try:
        for entry in os.scandir(f'/proc/{pid}/fd'):
            found += kind in os.readlink(entry.path)
    except OSError:
        pass
    return found


def dies_under_load(folder):
    with served(folder, 'rng') as path:
        load = subprocess.Popen([EXE, 'bench', path, '--seconds', '60'], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        until(lambda: in_use(load.pid, 'eventfd') > 2 or load.poll() is not None)
        assert load.poll() is None, load.communicate()
    out, why = load.communicate(timeout=60)
    assert load.returncode == 1 and 'hung up' in why and out == '', (load.returncode, why)


def never_answers(folder):
    """Negotiates in order, and leaves every request in the ring."""
    with Liar(folder, honest) as path:
        expect(run('bench', path, '--timeout', '1'), 1, 'not answered within 1000 ms')
        expect(run('bench', path, '--inband'), 1, 'does not offer in-band')
        expect(run('bench', path, '--timeout', '1', '--rate', '10'), 1, 'not answered within')
        expect(run('bench', path, '--timeout', '1', '--spin'), 1, 'not answered within')
        expect(run('probe', 'rng', path, 'read', '1', '--timeout', '1'), 1, 'within 1000 ms')


def hostile_to_ours(folder):
    for device in 'rng', 'template':
        if run(device, '--help').returncode != 0:
            continue
        with served(folder, device, '--log-level', 'off', '--inband') as path:
            done = expect(run('probe', '--hostile', path, '--json', timeout=200), 0)
            found = json.loads(done.stdout)
            assert found['died'] == 0 and found['hung'] == 0, found
            cases = found['cases']
            assert len(cases) == found['survived'] + found['closed_the_session'] > 380
            assert {case['case'].split(':')[0] for case in cases} == {
                'message', 'frame', 'memory', 'ring address', 'ring', 'flood', 'channel'}
            expect(run('probe', path), 0, device)
            done = expect(run('probe', '--hostile', path, '--only', '65537'), 0,
                          'message: SET_VRING_NUM, 65537')
            assert done.stdout.count('\n') == 5, done.stdout
    expect(run('probe', '--hostile', os.path.join(folder, 'no')), 1, 'no such socket')
    expect(run('probe', '--hostile', 'a', 'b'), 2, 'a socket and nothing else')


def hostile_to_the_weak(folder):
    """One hangs over a case, one dies of it, one closes whatever comes."""
    def is_it(request, body):
        return request == 8 and struct.unpack('=II', body)[1] == 65537

    def hangs(conn, request, body):
        if is_it(request, body):
            select.select([], [], [], 3)
        return honest(conn, request, body)

    with Liar(folder, hangs) as path:
        expect(run('probe', '--hostile', path, '--only', '65537', '--timeout', '1'), 1,
               'hung                message: SET_VRING_NUM, 65537', 'hung in 1')

    weak = Liar(folder, lambda conn, request, body: die(conn, request, body))

    def die(conn, request, body):
        if is_it(request, body):
            weak.sock.shutdown(socket.SHUT_RDWR)
            return False
        return honest(conn, request, body)

    with weak as path:
        expect(run('probe', '--hostile', path, '--only', '65537', '--timeout', '1'), 1,
               'died                message: SET_VRING_NUM, 65537', 'died of 1')

    def closes(conn, request, body):
        return False if request == 8 else honest(conn, request, body)
    with Liar(folder, closes) as path:
        expect(run('probe', '--hostile', path, '--only', '65537', '--timeout', '1'), 0,
               'closed the session  message: SET_VRING_NUM, 65537')


def peer(words, folder, make, texts, load=None, queues=1):
    # Nothing is fetched here but for CI, which skips nothing.
    look = [] if os.environ.get('CI') == 'true' else ['--print']
    found = subprocess.run([os.path.join(HERE, '..', 'setup', words[0]), *words[1:], *look],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0 and look:
        return found.stderr.strip()
    assert found.returncode == 0, found.stderr
    command = found.stdout.split()
    args, path = make(folder)
    with Served(folder, 'peer', command + args, path) as sock:
        # Some make their socket anew after each session.
        patient = ['--wait', '--timeout', '30']
        expect(run('probe', sock, *patient), 0, *texts)
        if load is not None:
            words = ['--device', load, '-d', '8', '--queues']
            found = bench(sock, *words, str(queues), *patient)
            assert found['result']['requests'] > 0 and found['load']['queues'] == queues, found
            expect(run('bench', sock, *words, str(queues + 1), *patient), 1 if queues > 1 else 2,
                   f'has {queues} queues, not' if queues > 1 else 'takes load in 1')
    return None


def upstream_vsock(folder):
    return peer(['upstream-vsock'], folder, lambda f: (
        ['--vm', f'guest-cid=42,socket={f}/s,uds-path={f}/u'], 's'),
        ['vsock (virtio id 19), a guess', '42'], 'vsock')


def virtiofsd(folder):
    return peer(['peer', 'virtiofsd'], folder, lambda f: (
        [f'--socket-path={f}/s', '--shared-dir', f, '--sandbox', 'none'], 's'),
        ['fs (virtio id 26), a guess'])


def storage_daemon(folder):
    def make(folder):
        with open(os.path.join(folder, 'disk'), 'wb') as disk:
            disk.truncate(1 << 20)
        return (['--blockdev', f'driver=file,node-name=d,filename={folder}/disk',
                 '--export', 'type=vhost-user-blk,id=e,node-name=d,addr.type=unix,'
                 f'addr.path={folder}/s,num-queues=2'], 's')
    return peer(['peer', 'qemu-storage-daemon'], folder, make,
                ['block (virtio id 2), a guess', '2048', 'queues:                2'], 'block', 2)


CASES = [rng_is_described, rng_is_read, template_answers, gpio_lines_are_used, i2c_is_driven,
         input_is_watched, rtc_is_read, spi_is_driven,
         nobody, bad_words, wait_for_it, stalls, drips, closes, lies, hostile_text,
         rng_is_measured, two_are_compared, bad_loads, dies_under_load, never_answers,
         hostile_to_ours, hostile_to_the_weak, upstream_vsock, virtiofsd, storage_daemon]


play(CASES)

# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""One message by a node of spidev, in the notation of probe:

    spidev.py NODE [mode=N] [hz=N] [bits=N] [tx-nbits=N] [rx-nbits=N] [change=1] \\
              (wHEX | rN | xHEX)...

Settings hold for the transfers behind them, but for mode, which holds for all.
Prints in hex what was received, a line for each; "error NAME" if it failed.
With repeat=N the same many times, and only the last is printed.
"""
import ctypes
import errno
import fcntl
import sys

WRITE, MAGIC = 1 << 30, ord('k') << 8
MODE32 = WRITE | 4 << 16 | MAGIC | 5


class Transfer(ctypes.Structure):
    """struct spi_ioc_transfer"""
    _fields_ = [('tx', ctypes.c_uint64), ('rx', ctypes.c_uint64), ('len', ctypes.c_uint32),
                ('hz', ctypes.c_uint32), ('delay', ctypes.c_uint16), ('bits', ctypes.c_uint8),
                ('change', ctypes.c_uint8), ('txnbits', ctypes.c_uint8),
                ('rxnbits', ctypes.c_uint8), ('worddelay', ctypes.c_uint8),
                ('pad', ctypes.c_uint8)]


def main():
    settings, transfers, buffers, modes, repeat = {}, [], [], [], 1
    for word in sys.argv[2:]:
        if '=' in word:
            name, value = word.split('=')
            if name == 'mode':
                modes.append(int(value, 0))
            elif name == 'repeat':
                repeat = int(value)
            else:
                settings[name.replace('-', '')] = int(value, 0)
            continue
        data = bytes.fromhex(word[1:]) if word[0] != 'r' else bytes(int(word[1:]))
        tx = ctypes.create_string_buffer(data, len(data))
        rx = ctypes.create_string_buffer(len(data))
        transfer = Transfer(len=len(data), **settings)
        transfer.tx = ctypes.addressof(tx) if word[0] != 'r' else 0
        transfer.rx = ctypes.addressof(rx) if word[0] != 'w' else 0
        transfers.append(transfer)
        buffers.append((word[0], tx, rx))
    message = (Transfer * len(transfers))(*transfers)
    try:
        with open(sys.argv[1], 'rb+', buffering=0) as node:
            for mode in modes:
                fcntl.ioctl(node, MODE32, mode.to_bytes(4, sys.byteorder))
            for _ in range(repeat):
                fcntl.ioctl(node, WRITE | ctypes.sizeof(message) << 16 | MAGIC, message)
    except OSError as error:
        print('error', errno.errorcode[error.errno])
        return
    for kind, _, rx in buffers:
        if kind != 'w':
            print(rx.raw.hex())


main()

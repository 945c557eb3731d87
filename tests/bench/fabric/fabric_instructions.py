#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""Counts the instructions of calls of libfabric's provider efa, ours beside the one inside libfabric.

The program fabric_instructions runs below the emulator and below callgrind, over the same libefa and the
same device. Counted is all that a call executes in the provider and in libefa, and the few instructions
of the call itself. The counts repeat exactly.

Exit status: 0; 1 if a call of ours allocates memory, enters the kernel or, with --gate, takes more
instructions than the other's; 2 if nothing could be measured.
"""
import argparse
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'instructions'))
from callgrind_dump import read_dumps  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(description='Instructions of calls of the provider efa, ours and upstream\'s.')
    parser.add_argument('--program', required=True, help='the built fabric_instructions')
    parser.add_argument('--emulator', required=True, help='the built efa-emu')
    parser.add_argument('--ours', required=True, help='folder of libefa-fi.so')
    parser.add_argument('--kind', default='datagram', choices=('direct', 'datagram', 'rdm'))
    parser.add_argument('--generation', default='efa2', help='of the emulated device (efa2)')
    parser.add_argument('--gate', metavar='RATIO', type=float, help='fail if a call takes more than this part of the '
                        'other\'s instructions')
    return parser.parse_args()


def measure(options, folder):
    """{row: (title, instructions of a call, deeds)} and the version of the provider that answered."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith('FI_')}
    # Both ends are on one host: the device is what is measured.
    environment['FI_EFA_ENABLE_SHM_TRANSFER'] = '0'
    if folder:
        environment['FI_PROVIDER_PATH'] = folder
    with tempfile.TemporaryDirectory(prefix='fabric-instructions.') as dumps:
        command = [options.emulator, 'run', '--generation', options.generation, '--', 'valgrind', '--tool=callgrind',
                   '--collect-atstart=no', '--collect-systime=yes', f'--callgrind-out-file={dumps}/callgrind.out',
                   options.program, options.kind]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode != 0:
            sys.exit(f'{" ".join(command)}\nended with {done.returncode}:\n{done.stdout}{done.stderr[-2000:]}')
        counts, version = {}, ''
        found = read_dumps(dumps)
        for line in done.stdout.splitlines():
            word, _, rest = line.partition(' ')
            if word == 'provider':
                version = rest
            elif word == 'row':
                key, operations, title = rest.split(' ', 2)
                dump = found[key + '/real']
                counts[key] = (title, dump.instructions / int(operations), dump.deeds)
        return counts, version


def main():
    options = parse_arguments()
    ours, own_version = measure(options, options.ours)
    theirs, version = measure(options, None)
    if not own_version.endswith('.100') or version.endswith('.100'):
        print(f'provider {own_version} and {version} answered: not ours and the one inside libfabric')
        return 2
    failures = []
    print(f'{options.kind:34} {"ours":>8} {"libfabric":>10} {"ratio":>6}')
    for key, (title, count, deeds) in ours.items():
        other = theirs[key][1]
        print(f'{title:34} {count:8.1f} {other:10.1f} {count / other:6.2f}  {", ".join(deeds)}'.rstrip())
        if deeds:
            failures.append(f'{title}: {", ".join(deeds)}')
        if options.gate and count > options.gate * other:
            failures.append(f'{title}: {count:.1f} instructions, more than {options.gate} of {other:.1f}')
    for line in failures:
        print('FAILED:', line)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The libfabric provider in libfabric, on emulated devices: who answers, and what.

Environment: EFA_EMU the emulator, EFA_FI_PATH the folder of libefa-fi.so, EFA_FI_PRINT print_info,
EFA_FI_OTHER_VERSION the library that pretends to be another libfabric, EFA_OWN_LIBEFA the folder of
our libefa.so.1.
"""
import os
import subprocess
import unittest

import answers

FOLDER = os.path.dirname(os.path.abspath(__file__))
OURS = os.environ['EFA_FI_PATH']
PRINT = os.environ['EFA_FI_PRINT']
PAIR = os.path.join(FOLDER, '../../scripts/pair.sh')
STOCK_LIBEFA = {}
OWN_LIBEFA = {'LD_LIBRARY_PATH': os.environ['EFA_OWN_LIBEFA']}


def run(*command, options=(), path=OURS, fails=False, **variables):
    """Output and messages of a command on an emulated host."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(('FI_', 'LD_'))}
    environment.update(variables)
    if path:
        environment['FI_PROVIDER_PATH'] = path
    done = subprocess.run([os.environ['EFA_EMU'], 'run', *options, '--', *command],
                          env=environment, capture_output=True, text=True, errors='replace',
                          timeout=120)
    if bool(done.returncode) != fails:
        raise AssertionError('%s ended with %d\n%s%s' % (
            ' '.join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout, done.stderr


def printed(**arguments):
    return answers.parse(run(PRINT, FI_PROVIDER='efa', **arguments)[0])


def fields(text, name):
    """Values of 'name: value' lines."""
    return [line.split(':', 1)[1].strip() for line in text.splitlines()
            if line.strip().startswith(name + ':')]


def warnings(text):
    return [line for line in text.splitlines() if ':efa:' in line and '<warn>' in line]


class WhoAnswers(unittest.TestCase):
    def test_ours_wins_over_the_one_in_libfabric_with_either_libefa(self):
        for libefa in (STOCK_LIBEFA, OWN_LIBEFA):
            with self.subTest(libefa):
                output, _ = run('fi_info', '-p', 'efa', **libefa)
                self.assertEqual(fields(output, 'version'), ['117.100', '117.100'])
                self.assertEqual(fields(output, 'domain'), ['efa_0-rdm', 'efa_0-dgrm'])

    def test_the_library_loaded_is_the_chosen_libefa(self):
        for libefa, own in ((STOCK_LIBEFA, False), (OWN_LIBEFA, True)):
            _, log = run('fi_info', '-p', 'efa', LD_DEBUG='files', **libefa)
            loaded = [line for line in log.splitlines()
                      if 'calling init' in line and 'libefa.so' in line]
            self.assertTrue(loaded)
            for line in loaded:
                self.assertEqual(os.environ['EFA_OWN_LIBEFA'] in line, own, line)

    def test_without_the_search_path_it_is_the_one_in_libfabric(self):
        output, _ = run('fi_info', '-p', 'efa', path=None)
        self.assertEqual(fields(output, 'version'), ['117.0', '117.0'])

    def test_fi_provider_selects_and_excludes_it(self):
        output, _ = run('fi_info', FI_PROVIDER='efa')
        self.assertEqual(fields(output, 'provider'), ['efa', 'efa'])
        output, _ = run('fi_info', FI_PROVIDER='^efa')
        self.assertIn('tcp', fields(output, 'provider'))
        self.assertNotIn('efa', fields(output, 'provider'))

    def test_a_libfabric_of_another_layout_gets_no_provider_but_a_sentence(self):
        output, log = run('fi_info', '-p', 'efa', FI_LOG_LEVEL='warn',
                          LD_PRELOAD=os.environ['EFA_FI_OTHER_VERSION'])
        self.assertEqual(fields(output, 'version'), ['117.0', '117.0'])
        self.assertIn('built for libfabric 1.17, this is 2.1', log)

    def test_two_devices_give_the_reliable_entries_of_both_first(self):
        output, _ = run('fi_info', '-p', 'efa', options=['--devices-per-host', '2'])
        self.assertEqual(fields(output, 'domain'),
                         ['efa_0-rdm', 'efa_1-rdm', 'efa_0-dgrm', 'efa_1-dgrm'])

    def test_it_shows_one_symbol_and_brings_its_own_c_plus_plus(self):
        library = os.path.join(OURS, 'libefa-fi.so')
        symbols = subprocess.run(['nm', '-D', '--defined-only', library], check=True,
                                 capture_output=True, text=True).stdout
        self.assertEqual([line.split()[-1] for line in symbols.splitlines()], ['fi_prov_ini'])
        needs = subprocess.run(['readelf', '-d', library], check=True, capture_output=True,
                               text=True).stdout
        self.assertIn('libfabric.so.1', needs)
        self.assertNotIn('libstdc++', needs)

    def test_hooks_around_it_change_nothing(self):
        pingpong = 'fi_pingpong -p efa -e rdm -I 3'
        path = os.path.dirname(os.environ['EFA_EMU']) + ':' + os.environ['PATH']
        for hook in ('perf', 'noop'):
            with self.subTest(hook):
                output, _ = run(PAIR, '47592', pingpong, pingpong + ' host1',
                                options=['--hosts', '2'], PATH=path, FI_HOOK=hook,
                                FI_EFA_ENABLE_SHM_TRANSFER='0')
                self.assertRegex(output, r'(?m)^1m +3 +=3 ')

    def test_a_fabric_is_opened(self):
        output, _ = run(PRINT, 'open', FI_PROVIDER='efa')
        self.assertEqual(output, 'opened\n')


class Alias(unittest.TestCase):
    """libaws-fi.so: the name aws for efa."""

    def test_the_name_aws_gives_the_entries_of_efa_without_layers_on_them(self):
        for variables, arguments in (({'FI_PROVIDER': 'aws'}, []), ({}, ['-p', 'aws'])):
            with self.subTest(variables):
                output, _ = run('fi_info', *arguments, **variables)
                self.assertEqual(fields(output, 'provider'), ['aws', 'aws'])
                self.assertEqual(fields(output, 'domain'), ['efa_0-rdm', 'efa_0-dgrm'])
                self.assertEqual(fields(output, 'version'), ['117.100', '117.100'])

    def test_who_does_not_name_it_gets_no_device_twice(self):
        output, _ = run('fi_info')
        self.assertIn('efa', fields(output, 'provider'))
        self.assertNotIn('aws', fields(output, 'provider'))
        output, _ = run('fi_info', FI_PROVIDER='efa')
        self.assertEqual(fields(output, 'provider'), ['efa', 'efa'])

    def test_it_says_in_the_answer_and_in_the_log_that_it_is_an_alias(self):
        output, _ = run('fi_info', '-v', FI_PROVIDER='aws')
        self.assertEqual(fields(output, 'driver'),
                         ['efa (provider aws is an alias of efa)'] * 2)
        output, log = run(PRINT, 'open', FI_PROVIDER='aws', FI_LOG_LEVEL='info')
        self.assertEqual(output, 'opened\n')
        self.assertIn('provider aws is an alias of efa', log)
        output, _ = run('fi_info', '-v', FI_PROVIDER='efa')
        self.assertNotIn('alias', output)

    def test_hints_that_efa_refuses_are_refused_with_the_same_reason(self):
        _, log = run('fi_info', '-t', 'FI_EP_MSG', FI_PROVIDER='aws', FI_LOG_LEVEL='info',
                     fails=True)
        self.assertIn('ep_attr->type: asked FI_EP_MSG', log)

    def test_without_a_device_it_is_not_there(self):
        environment = {**os.environ, 'FI_PROVIDER_PATH': OURS}
        done = subprocess.run(['fi_info', '-p', 'aws'], env=environment, capture_output=True,
                              text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)

    def test_messages_go_through_it(self):
        pingpong = 'fi_pingpong -p aws -e rdm -I 3'
        path = os.path.dirname(os.environ['EFA_EMU']) + ':' + os.environ['PATH']
        output, _ = run(PAIR, '47592', pingpong, pingpong + ' host1', options=['--hosts', '2'],
                        PATH=path, FI_PROVIDER='aws', FI_EFA_ENABLE_SHM_TRANSFER='0')
        self.assertRegex(output, r'(?m)^1m +3 +=3 ')


class Environment(unittest.TestCase):
    def test_iface_selects_devices(self):
        output, _ = run('fi_info', '-p', 'efa', options=['--devices-per-host', '2'],
                        FI_EFA_IFACE='efa_1')
        self.assertEqual(fields(output, 'domain'), ['efa_1-rdm', 'efa_1-dgrm'])

    def test_an_iface_that_does_not_exist_is_said_with_those_that_do(self):
        output, log = run('fi_info', '-p', 'efa', FI_EFA_IFACE='mlx5_0', FI_LOG_LEVEL='warn')
        self.assertEqual(fields(output, 'version'), ['117.0', '117.0'])
        self.assertIn('FI_EFA_IFACE=mlx5_0, there is efa_0', log)

    def test_sizes_show_in_the_answer(self):
        output, _ = run('fi_info', '-p', 'efa', '-v', FI_EFA_TX_SIZE='64', FI_EFA_RX_SIZE='128')
        self.assertEqual(fields(output, 'size'), ['64', '128', '64', '128'])

    def test_names_that_do_nothing_get_one_warning_each(self):
        _, log = run('fi_info', '-p', 'efa', FI_LOG_LEVEL='warn', FI_EFA_RECWIN_SIZE='1',
                     FI_EFA_MTU_SIZE='1', FI_EFA_RECVWIN_SIZE='1')
        lines = warnings(log)
        self.assertEqual(len(lines), 2, log)
        self.assertIn('the nearest is FI_EFA_RECVWIN_SIZE', ''.join(lines))

    def test_fi_info_lists_the_variables(self):
        output, _ = run('fi_info', '-g', 'FI_EFA_IFACE')
        self.assertIn('# FI_EFA_IFACE: String', output)


class Answers(unittest.TestCase):
    def test_they_are_those_of_the_provider_in_libfabric_but_for_the_list(self):
        for generation in ('efa1', 'efa2'):
            with self.subTest(generation):
                options = ['--generation', generation]
                theirs = printed(path=None, options=options)
                ours = printed(options=options)
                self.assertGreater(len(theirs), 400)
                found = answers.differences(theirs, ours)
                wanted = answers.expected(os.path.join(FOLDER, 'differences.txt'))
                self.assertEqual({}, {text: where[:5] for text, where in found.items()
                                      if text not in wanted})
                self.assertEqual(set(), wanted - set(found))

    def test_they_are_the_same_on_devices_with_other_limits(self):
        for limits in (['mtu=4096', 'max_sq_depth=1000', 'max_qp=2000'],
                       ['max_rq_depth=5000', 'max_wr_recv_sges=1', 'rdma_read=0']):
            with self.subTest(limits):
                options = [word for limit in limits for word in ('--limit', limit)]
                found = answers.differences(printed(path=None, options=options),
                                            printed(options=options))
                fields_that_differ = {text.split(':')[0] for text in found}
                self.assertEqual(fields_that_differ,
                                 {'fi_fabric_attr.prov_version', 'nic.fi_link_attr.mtu'})

    def test_they_are_the_same_over_our_libefa(self):
        self.assertEqual(printed(**STOCK_LIBEFA), printed(**OWN_LIBEFA))

    def test_destinations_and_sources_are_understood_as_in_libfabric(self):
        gid = 'fe80::ef:a0ff:fe00:0'
        for arguments in (['-n', 'fe80::1'], ['-n', 'fe80::1', '-P', '7'], ['-s', gid]):
            with self.subTest(arguments):
                theirs, ours = (run('fi_info', '-p', 'efa', '-v', *arguments, path=path)[0]
                                for path in (None, OURS))
                for field in ('dest_addr', 'dest_addrlen', 'src_addr', 'domain'):
                    self.assertEqual(fields(ours, field), fields(theirs, field))

    def test_addresses_that_are_none_get_a_reason(self):
        for arguments, text in ((['-n', 'host0'], 'node: asked "host0"'),
                                (['-s', 'fe80::2'], 'node with FI_SOURCE: asked "fe80::2"')):
            with self.subTest(arguments):
                _, log = run('fi_info', '-p', 'efa', *arguments, fails=True, FI_LOG_LEVEL='warn')
                self.assertIn(text, log)


class Reasons(unittest.TestCase):
    def test_each_refusal_is_said_once_with_field_value_limit_and_cure(self):
        _, log = run(PRINT, FI_PROVIDER='efa', FI_LOG_LEVEL='warn')
        lines = [line.split('<warn> ')[1] for line in warnings(log)]
        self.assertEqual(len(lines), len(set(lines)))
        self.assertIn('efa FI_EP_RDM of efa_0 refused, tx_attr->inject_size: asked 1048576, there is '
                      'at most 3928; ask for less, or for 0 and read the value in the answer', lines)
        for line in lines:
            self.assertRegex(line, r'^efa FI_EP_(RDM|DGRAM) of efa_0 refused, \S+: '
                                   r'asked .+, there is .+; .+')

    def test_a_query_for_everything_is_quiet(self):
        _, log = run('fi_info', FI_LOG_LEVEL='warn')
        self.assertEqual(warnings(log), [])


if __name__ == '__main__':
    unittest.main(verbosity=2)

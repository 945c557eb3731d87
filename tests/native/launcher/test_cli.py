#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The efa-emu command as a user meets it: options, errors, hosts, remote shell, signals.

Usage: test_cli.py [PATH-OF-EFA-EMU [UNITTEST-ARGUMENTS]], or the path in the environment as EFA_EMU.
Needs nothing but Python; tests of other programs (mpirun, ibv_devices) are skipped where these are
missing, tests of another user where we are not root.
"""
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

EFA_EMU = os.environ.get("EFA_EMU", "efa-emu")
LIMIT = 120  # seconds that a command may take; a hang is a failure
NOBODY = 65534
MODES = ("one-trap", "path")


def efa_emu(*words, nobody=False, **keywords):
    """Runs efa-emu; returns the completed process with text output."""
    if nobody:
        keywords.update(user=NOBODY, group=NOBODY, extra_groups=[])
    keywords.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([EFA_EMU, *words], capture_output=True, text=True, timeout=LIMIT,
                          cwd="/", **keywords)


def have_one_trap():
    return efa_emu("run", "--mode", "one-trap", "--", "true").returncode == 0


class Case(unittest.TestCase):
    def run_ok(self, *words, **keywords):
        done = efa_emu(*words, **keywords)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def modes(self):
        """The modes that work here: path mode does everywhere."""
        return MODES if have_one_trap() else ("path",)


class Errors(Case):
    """One sentence with the cure, exit status 2."""

    CASES = [
        ((), "there is no command"),
        (("frobnicate",), "there is no command 'frobnicate'"),
        (("run",), "name one after --"),
        (("run", "--hosts", "2"), "name one after --"),
        (("run", "true"), "write -- before the command"),
        (("run", "--bogus", "--", "true"), "there is no option '--bogus'"),
        (("run", "--hosts", "--", "true"), "--hosts has no value"),
        (("run", "--hosts", "0", "--", "true"), "--hosts: '0' is no number from 1 to"),
        (("run", "--hosts", "1e9", "--", "true"), "--hosts: '1e9'"),
        (("run", "--hosts", "1", "--hosts", "2", "--", "true"), "--hosts is given more than once"),
        (("run", "--devices-per-host", "99", "--", "true"), "--devices-per-host: '99'"),
        (("run", "--generation", "efa9", "--", "true"), "choose one of efa0, efa1"),
        (("run", "--loss", "101%", "--", "true"), "--loss: "),
        (("run", "--reorder", "x", "--", "true"), "--reorder: "),
        (("run", "--duplicate", "-1", "--", "true"), "--duplicate"),
        (("run", "--delay", "5", "--", "true"), "--delay: "),
        (("run", "--jitter", "1week", "--", "true"), "--jitter: "),
        (("run", "--timeout", "0", "--", "true"), "--timeout: "),
        (("run", "--copy-threads", "3", "--", "true"), "--copy-threads: '3' is no number from 1"),
        (("run", "--bandwidth", "fast", "--", "true"), "--bandwidth: "),
        (("run", "--seed", "-1", "--", "true"), "--seed"),
        (("run", "--rnr-at", "host0", "--", "true"), "HOST:N[:COUNT]"),
        (("run", "--rnr-at", "host0:0", "--", "true"), "--rnr-at: '0'"),
        (("run", "--rnr-at", "mars:1", "--", "true"), "there is no host 'mars'"),
        (("run", "--limit", "max_qp", "--", "true"), "NAME=VALUE"),
        (("run", "--limit", "speed=1", "--", "true"), "a device has no limit 'speed'"),
        (("run", "--limit", "max_sq_depth=65536", "--", "true"), "give 16 to 32768"),
        (("run", "--topology", "/no/such/file", "--", "true"), "/no/such/file"),
        (("run", "--topology", "f", "--hosts", "2", "--", "true"), "contradict each other"),
        (("run", "--mode", "magic", "--", "true"), "choose one of auto, one-trap, path"),
        (("run", "--stats=xml", "--", "true"), "--stats=json"),
        (("run", "--stats-file", "/no/such/file", "--", "true"), "cannot write /no/such/file"),
        (("run", "--", "no-such-program"), "there is no program 'no-such-program'"),
        (("run", "--", "/no/such/program"), "there is no program '/no/such/program'"),
        (("run", "--", "/etc/passwd"), "cannot run '/etc/passwd': Permission denied"),
        (("on", "host0", "true"), "no emulator surrounds this process"),
        (("on",), "there is no host"),
        (("generations", "all"), "generations takes no 'all'"),
    ]

    def test_each_is_one_sentence_and_status_2(self):
        for words, expected in self.CASES:
            with self.subTest(words=words):
                done = efa_emu(*words)
                self.assertEqual(done.returncode, 2, done)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, r"\Aefa-emu: [^\n]+\n\Z")
                self.assertIn(expected, done.stderr)

    def test_programs_that_cannot_be_run_are_named_in_path_mode_too(self):
        for program in ("no-such-program", "/no/such/program", "/etc/passwd"):
            with self.subTest(program=program):
                done = efa_emu("run", "--mode", "path", "--", program)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"'{program}'", done.stderr)

    def test_unknown_host_inside_a_run(self):
        done = efa_emu("run", "--", EFA_EMU, "on", "host7", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no emulated host 'host7'", done.stderr)

    def test_remote_shell_fails_with_the_status_of_ssh(self):
        self.assertEqual(efa_emu("rsh", "host0", "true").returncode, 255)

    def test_nested_emulators_are_refused(self):
        done = efa_emu("run", "--", EFA_EMU, "run", "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("an emulator surrounds this process already", done.stderr)

    def test_nested_emulators_are_refused_without_the_environment_too(self):
        done = efa_emu("run", "--", "env", "-u", "EFA_EMU_DIR", EFA_EMU, "run", "--", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn("emulators cannot be nested", done.stderr)


class Information(Case):
    def test_version(self):
        self.assertRegex(self.run_ok("--version"), r"\Aefa-emu \d+\.\d+\.\d+\n\Z")

    def test_help_names_every_command(self):
        text = self.run_ok("--help")
        for word in ("run", "on", "rsh", "generations"):
            self.assertIn(f"efa-emu {word}", text)

    def test_help_of_run_names_every_option(self):
        text = self.run_ok("run", "--help")
        for option in ("hosts", "devices-per-host", "generation", "topology", "loss", "reorder",
                       "duplicate", "delay", "jitter", "bandwidth", "seed", "timeout", "rnr-at",
                       "limit", "mode", "stats", "stats-file", "copy-threads", "strict"):
            self.assertIn(f"--{option}", text)

    def test_generations_are_listed(self):
        names = [line.split()[0] for line in self.run_ok("generations").splitlines()[1:]]
        self.assertEqual(names, ["efa0", "efa1", "efa2", "efa3", "efa4"])


class Command(Case):
    def test_exit_status_is_the_commands(self):
        self.assertEqual(efa_emu("run", "--", "sh", "-c", "exit 37").returncode, 37)

    def test_death_by_signal_is_128_plus_its_number(self):
        self.assertEqual(efa_emu("run", "--", "sh", "-c", "kill -KILL $$").returncode, 137)

    def test_arguments_arrive_unchanged(self):
        words = ["a b", "", "--hosts", "'", "*", "--"]
        out = self.run_ok("run", "--", "printf", "[%s]", *words)
        self.assertEqual(out, "".join(f"[{word}]" for word in words))

    def test_standard_input_and_output_are_the_callers(self):
        done = subprocess.run([EFA_EMU, "run", "--", "cat"], input="through", text=True,
                              capture_output=True, timeout=LIMIT)
        self.assertEqual(done.stdout, "through")

    def test_signals_are_not_blocked_and_not_ignored(self):
        program = ("import signal as s; print(s.pthread_sigmask(s.SIG_BLOCK, []), "
                   "[s.getsignal(n) is s.SIG_DFL for n in (s.SIGTERM, s.SIGHUP, s.SIGCHLD)])")
        outside = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        self.assertEqual(self.run_ok("run", "--", sys.executable, "-c", program), outside.stdout)

    def test_options_are_accepted_together(self):
        self.run_ok("run", "--hosts", "2", "--devices-per-host=2", "--generation", "efa1", "--loss",
                    "1%", "--reorder", "0.05", "--duplicate", "0", "--delay", "10us", "--jitter",
                    "1ms", "--bandwidth", "100", "--seed", "7", "--timeout", "3s", "--rnr-at",
                    "host1:4:2", "--rnr-at", "host0:1", "--strict", "--copy-threads", "1",
                    "--limit", "max_tx_batch=4", "--limit", "rdma_write=0", "--", "true")

    def test_terminating_the_emulator_terminates_the_command(self):
        with subprocess.Popen([EFA_EMU, "run", "--", "sh", "-c",
                               "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"],
                              stdout=subprocess.PIPE, text=True) as emulator:
            self.assertEqual(emulator.stdout.readline(), "ready\n")
            emulator.send_signal(signal.SIGTERM)
            self.assertEqual(emulator.wait(LIMIT), 9)

    def test_nothing_is_left_behind(self):
        with tempfile.TemporaryDirectory() as place:
            out = self.run_ok("run", "--", "sh", "-c",
                              "setsid sleep 1000 & echo $!; test -d $EFA_EMU_DIR",
                              env={**os.environ, "TMPDIR": place})
            self.assertEqual(os.listdir(place), [])
        self.assertFalse(os.path.exists(f"/proc/{out.strip()}"))

    def test_a_killed_emulator_takes_its_command_along(self):
        with subprocess.Popen([EFA_EMU, "run", "--", "sh", "-c",
                               "echo $$ $EFA_EMU_DIR; exec sleep 1000"],
                              stdout=subprocess.PIPE, text=True) as emulator:
            pid, directory = emulator.stdout.readline().split()
            handle = os.pidfd_open(int(pid))
            emulator.kill()
        wait_for_end(self, handle)
        shutil.rmtree(directory)


def wait_for_end(case, pidfd):
    ready, _, _ = select.select([pidfd], [], [], LIMIT)
    os.close(pidfd)
    case.assertTrue(ready, "the process lives on")


GUIDS = "cat $SYSFS_PATH/class/infiniband/*/node_guid"
STAT_NODE = r"""
import os, stat, sys
s = os.stat("/dev/infiniband/uverbs%s" % sys.argv[1])
fd = os.open("/dev/infiniband/uverbs%s" % sys.argv[1], os.O_RDWR | os.O_CLOEXEC)
f = os.fstat(fd)
assert os.get_inheritable(fd) is False
print(stat.S_ISCHR(s.st_mode), s.st_rdev == f.st_rdev == os.makedev(1, 3),
      os.access("/dev/infiniband/uverbs%s" % sys.argv[1], os.R_OK | os.W_OK))
"""
# What libibverbs sends first: INVOKE_WRITE with nothing but WRITE_CMD = 1 (QUERY_DEVICE).
PROBE = r"""
import errno, fcntl, os, struct, sys
def probe(fd):
    attribute = struct.pack("=HHHHQ", 2, 0, 0, 0, 1)
    header = struct.pack("=HHHHQII", 24 + len(attribute), 0, 0, 1, 0, 17, 0)
    try:
        fcntl.ioctl(fd, 0xc0181b01, bytearray(header + attribute))
        return "OK"
    except OSError as error:
        return errno.errorcode[error.errno]
def child(action):
    pid = os.fork()
    if pid == 0:
        print(action(), flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
node = "/dev/infiniband/uverbs0"
print(probe(os.open("/dev/null", os.O_RDWR)), flush=True)
print(probe(os.open(node, os.O_RDWR)), flush=True)
print(probe(os.dup(os.open(node, os.O_RDWR))), flush=True)
fd = os.open(node, os.O_RDWR)
child(lambda: probe(fd))
"""


class Devices(Case):
    def test_each_host_has_its_own_guids_in_both_modes(self):
        for mode in self.modes():
            seen = set()
            for host in range(3):
                out = self.run_ok("run", "--hosts", "3", "--devices-per-host", "2", "--mode", mode,
                                  "--", EFA_EMU, "on", f"host{host}", "sh", "-c", GUIDS)
                seen.update(out.split())
            self.assertEqual(len(seen), 6, seen)

    def test_nodes_are_character_devices_that_can_be_opened(self):
        for mode in self.modes():
            for index in "0", "1":
                out = self.run_ok("run", "--hosts", "2", "--mode", mode, "--", sys.executable, "-c",
                                  STAT_NODE, index)
                self.assertEqual(out, "True True True\n")

    def test_there_are_no_more_nodes_than_devices(self):
        for mode in self.modes():
            done = efa_emu("run", "--mode", mode, "--", "test", "-e", "/dev/infiniband/uverbs1")
            self.assertEqual(done.returncode, 1)

    def test_nodes_are_recognised_after_dup_and_fork_and_the_null_device_is_not(self):
        for mode in self.modes():
            out = self.run_ok("run", "--mode", mode, "--", sys.executable, "-c", PROBE).split()
            self.assertEqual(out[0], "ENOTTY")
            self.assertEqual(out[1:], [out[1]] * 3)
            self.assertNotEqual(out[1], "ENOTTY")

    def test_the_outer_system_stays_as_it_is(self):
        before = sorted(os.listdir("/dev"))
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            mounted = mounts.read()
        self.run_ok("run", "--", "true")
        self.assertEqual(sorted(os.listdir("/dev")), before)
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            self.assertEqual(mounts.read(), mounted)

    def test_dev_has_its_usual_entries(self):
        names = set(self.run_ok("run", "--", "ls", "/dev").split())
        self.assertLessEqual(set(os.listdir("/dev")), names)
        self.run_ok("run", "--", "sh", "-c", "echo x > /dev/null && head -c1 /dev/zero && ls /dev/shm")

    def test_rdma_netlink_is_refused_as_on_a_kernel_without_it(self):
        program = ("import socket, errno\ntry: socket.socket(16, socket.SOCK_RAW, 20)\n"
                   "except OSError as e: print(errno.errorcode[e.errno])")
        self.assertEqual(self.run_ok("run", "--", sys.executable, "-c", program),
                         "EPROTONOSUPPORT\n")

    @unittest.skipUnless(shutil.which("ibv_devices"), "ibverbs-utils is not installed")
    def test_ibv_devices_lists_the_hosts_devices(self):
        for mode in self.modes():
            out = self.run_ok("run", "--devices-per-host", "2", "--mode", mode, "--", "ibv_devices")
            self.assertEqual(sorted(re.findall(r"efa_\d", out)), ["efa_0", "efa_1"])


@unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
class AnotherUser(Case):
    def setUp(self):
        try:
            efa_emu("--version", nobody=True)
        except PermissionError:
            self.skipTest(f"another user cannot reach {EFA_EMU}")

    def test_one_trap_mode_works_in_a_user_namespace(self):
        done = efa_emu("run", "--hosts", "2", "--mode", "one-trap", "--", "sh", "-c",
                       f"id -u; hostname; {EFA_EMU} on host1 hostname; stat -c %F "
                       "/dev/infiniband/uverbs1", nobody=True)
        if "user namespace" in done.stderr:
            self.skipTest(done.stderr)
        self.assertEqual(done.stdout.split("\n"),
                         [str(NOBODY), "host0", "host1", "character special file", ""])

    def test_path_mode_needs_no_privilege(self):
        out = self.run_ok("run", "--mode", "path", "--", "sh", "-c", "id -u; stat -c %F "
                          "/dev/infiniband/uverbs0; exec 3<>/dev/infiniband/uverbs0", nobody=True)
        self.assertEqual(out.split("\n"), [str(NOBODY), "character special file", ""])

    @unittest.skipUnless(shutil.which("unshare") and shutil.which("setpriv"), "no util-linux")
    def test_a_container_without_namespaces_gets_path_mode_and_host_names(self):
        # As under Docker's defaults: no CAP_SYS_ADMIN, no user namespaces.
        confine = ("echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv "
                   "--bounding-set -sys_admin --inh-caps -sys_admin \"$@\"")
        inside = f"uname -n; {EFA_EMU} on host1 uname -n; test -c /dev/infiniband/uverbs1"
        confined = ["unshare", "-Ur", "sh", "-c", confine, "sh"]
        done = subprocess.run([*confined, EFA_EMU, "run", "--hosts", "2", "--", "sh", "-c", inside],
                              capture_output=True, text=True, timeout=LIMIT)
        if "max_user_namespaces" in done.stderr or "unshare" in done.stderr:
            self.skipTest(done.stderr)
        self.assertEqual((done.stdout, done.returncode), ("host0\nhost1\n", 0), done.stderr)
        forced = subprocess.run([*confined, EFA_EMU, "run", "--mode", "one-trap", "--", "true"],
                                capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(forced.returncode, 2)
        self.assertIn("use --mode path", forced.stderr)


class Hosts(Case):
    def on(self, *words, **keywords):
        return self.run_ok("run", "--hosts", "3", "--", EFA_EMU, *words, **keywords)

    def test_command_runs_on_the_first_host(self):
        out = self.run_ok("run", "--hosts", "2", "--", "sh", "-c", "hostname; echo $EFA_EMU_HOST")
        self.assertEqual(out, "host0\nhost0\n")

    def test_other_hosts_have_their_name_and_their_tree(self):
        out = self.on("on", "host2", "sh", "-c", "hostname; echo $EFA_EMU_HOST; ls "
                      "$SYSFS_PATH/class/infiniband_verbs | grep uverbs")
        self.assertEqual(out, "host2\nhost2\nuverbs2\n")

    def test_environment_of_one_host_finds_the_devices_of_another(self):
        # Launchers such as MPICH's pass theirs on. Needs mounts; without, each host has its own path.
        if not have_one_trap():
            self.skipTest("mounts are denied here")
        out = self.run_ok("run", "--hosts", "2", "--", "sh", "-c", f"{EFA_EMU} on host1 env "
                          "SYSFS_PATH=$SYSFS_PATH ls $SYSFS_PATH/class/infiniband_verbs")
        self.assertEqual(out, "abi_version\nuverbs1\n")

    def test_on_passes_exact_arguments_and_the_exit_status(self):
        self.assertEqual(self.on("on", "host1", "--", "printf", "[%s]", "a b", "$HOME"),
                         "[a b][$HOME]")
        done = efa_emu("run", "--hosts", "2", "--", EFA_EMU, "on", "host1", "sh", "-c", "exit 5")
        self.assertEqual(done.returncode, 5)

    def test_rsh_reads_its_words_as_a_shell_does(self):
        self.assertEqual(self.on("rsh", "host1", "echo", "a;", "echo $EFA_EMU_HOST"), "a\nhost1\n")

    def test_rsh_tolerates_the_options_of_ssh(self):
        for options in (["-x"], ["-q", "-n"], ["-o", "BatchMode=yes", "-l", "me"], ["-p22", "-4"]):
            with self.subTest(options=options):
                self.assertEqual(self.on("rsh", *options, "user@host1", "-x", "hostname"), "host1\n")

    def test_rsh_without_input_does_not_read_the_callers(self):
        done = subprocess.run([EFA_EMU, "run", "--", EFA_EMU, "rsh", "-n", "host0", "cat"],
                              input="unseen", capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.stdout, "")

    def test_agent_in_the_environment_is_one_word(self):
        out = self.run_ok("run", "--hosts", "2", "--", "sh", "-c", "$EFA_EMU_RSH host1 hostname")
        self.assertEqual(out, "host1\n")

    def test_hosts_can_be_entered_from_hosts(self):
        self.assertEqual(self.on("on", "host1", EFA_EMU, "on", "host2", "hostname"), "host2\n")

    def test_hostfile_lists_every_host_with_two_slots(self):
        out = self.run_ok("run", "--hosts", "3", "--", "sh", "-c", "cat $EFA_EMU_HOSTFILE")
        self.assertEqual(out, "host0 slots=2\nhost1 slots=2\nhost2 slots=2\n")

    def test_names_of_hosts_resolve_to_different_addresses(self):
        if not have_one_trap():
            self.skipTest("mounts are denied here")
        program = "import socket; print(*(socket.gethostbyname(f'host{i}') for i in range(3)))"
        addresses = self.run_ok("run", "--hosts", "3", "--", sys.executable, "-c", program).split()
        self.assertEqual(len(set(addresses)), 3)
        self.assertTrue(all(a.startswith("127.") and a != "127.0.0.1" for a in addresses))

    @unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
    def test_mpirun_spreads_over_the_hosts_without_ssh(self):
        for mode in self.modes():
            out = self.run_ok("run", "--hosts", "4", "--mode", mode, "--", "sh", "-c",
                              "mpirun --allow-run-as-root --hostfile $EFA_EMU_HOSTFILE --np 8 "
                              "--map-by ppr:2:node hostname")
            self.assertEqual(sorted(out.split()), sorted([f"host{i}" for i in range(4)] * 2))


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-") and os.path.exists(sys.argv[1]):
        EFA_EMU = os.path.abspath(sys.argv.pop(1))
    elif os.path.sep in EFA_EMU:
        EFA_EMU = os.path.abspath(EFA_EMU)
    else:
        EFA_EMU = shutil.which(EFA_EMU) or sys.exit("no efa-emu: give its path as first argument")
    unittest.main()

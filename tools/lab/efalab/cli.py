# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
"""The command line of the lab."""

import argparse
import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import headers, kernels, layer, network, qemu, run, standing
from .failure import LabError, say
from .plan import Plan


def _setup(args):
    _need_tools()
    qemu.setup()
    for name in args.kernel or [kernels.DEFAULT]:
        kernels.resolve(name, args.update)
        if kernels.bootable(name):
            kernels.setup(name)
        headers.setup(name)
    return 0


def _need_tools():
    missing = [name for name in ("busybox", "depmod", "zstd", "xz", "dpkg-deb", "apt-get")
               if not shutil.which(name)]
    if missing:
        raise LabError(f"missing: {', '.join(missing)}; scripts/install-deps.sh lab installs them")


def _plan(args):
    _need_tools()
    qemu.setup()
    emulator = list(args.emu_args or [])
    if args.generation:
        emulator += ["--generation", args.generation]
    if args.doorbells:
        emulator += ["--doorbells", args.doorbells]
    return Plan(kernel=kernels.find(args.kernel), hosts=args.hosts,
                devices_per_host=0 if args.no_device else args.devices_per_host,
                emulator_arguments=tuple(emulator), smp=args.smp, memory=args.memory, iommu=args.iommu,
                accelerator=args.accel, modules=tuple(os.path.abspath(file) for file in args.module or ()),
                kernel_arguments=tuple(args.append or ()), qemu_arguments=tuple(args.qemu_arg or ()),
                ssh=args.ssh, snapshots=args.snapshot,
                layer=str(_layer(args.layer)) if args.layer else "", out=args.out or "",
                boot_limit=args.boot_timeout or 60 + 20 * args.hosts,
                lifetime=getattr(args, "lifetime", 0))


def _layer(folder):
    folder = Path(folder).resolve()
    if not (folder / "root").is_dir() or not (folder / "modules").is_dir():
        raise LabError(f"{folder} is no layer; 'lab install --into {folder} -- COMMAND' makes one")
    return folder


def _install(args):
    return layer.install(args.kernel, args.into, args.command)


def _run(args):
    plan = _plan(args)
    limit = args.timeout or plan.time(60)
    plan = dataclasses.replace(plan, lifetime=plan.time(plan.boot_limit + 60) + limit)
    with _stdin_file(args.stdin) as stdin:
        return run.run(plan, args.command, limit, on_all=args.on_all, allowed=args.allow or (), keep=args.keep,
                       stdin=stdin)


def _up(args):
    return standing.up(_plan(args), args.name)


def _exec(args):
    with _stdin_file(args.stdin) as stdin:
        return standing.execute(args.name, args.host, args.command, args.timeout, stdin, args.allow or ())


def _down(args):
    return standing.down(args.name, args.allow or ())


def _console(args):
    return standing.show_console(args.name, args.host)


@contextlib.contextmanager
def _stdin_file(wanted):
    """All of our standard input in a file, for a command in a guest; None unless it is wanted."""
    if not wanted:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="lab-stdin-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield file.name


def _kernel_build_dir(args):
    version, tree = headers.setup(args.kernel)
    if headers.needs_build_root(version):
        say(f"{version} needs the compiler of a newer Debian: use 'lab build-module' or 'lab build-env'")
    print(tree)
    return 0


def _build_module(args):
    return headers.make(args.kernel, args.folder, args.arguments)


def _build_env(args):
    version, tree = headers.setup(args.kernel)
    return subprocess.run(["env", f"KDIR={tree}", f"KVERSION={version}", *headers.inside(version, args.command)],
                          check=False).returncode


def _list_kernels(_args):
    for name, version, state in kernels.listing():
        print(f"{name:10} {version:28} {state}")
    return 0


def _hub(args):
    network.main([args.folder, args.count])


def _guest_options(parser):
    add = parser.add_argument
    add("--kernel", default=kernels.DEFAULT, metavar="K",
        help="6.1 (default), 6.12, 7.3, newest, debug, or a folder with vmlinux and lib/modules/VERSION")
    add("--hosts", type=int, default=1, metavar="N", help="guests, host1 to hostN (default 1)")
    add("--devices-per-host", type=int, default=1, metavar="M", help="emulated devices each (default 1)")
    add("--no-device", action="store_true", help="no emulated devices, no emulator")
    add("--generation", metavar="efaK", help="generation of the devices, for the emulator")
    add("--doorbells", choices=("trapped", "mapped"), help="how doorbells reach the emulator")
    add("--smp", type=int, default=1, metavar="N", help="CPUs of a guest (default 1)")
    add("--memory", type=int, default=1024, metavar="MIB", help="memory of a guest (default 1024)")
    add("--iommu", action="store_true", help="a virtual IOMMU: catches drivers that skip DMA mapping")
    add("--snapshot", action="store_true", help="resume from a snapshot instead of booting (not with --iommu)")
    add("--accel", choices=("tcg", "kvm"), default="tcg", help="how QEMU runs the guest's code")
    add("--module", action="append", metavar="FILE.ko", help="load it, and what it needs, before the command")
    add("--ssh", action="store_true", help="sshd also when there is one guest only")
    add("--out", metavar="FOLDER", help="the folder that guests can write to (LAB_OUT)")
    add("--layer", metavar="FOLDER", help="start with what 'lab install --into FOLDER' has installed")
    add("--emu-args", action="append", metavar="ARG", help="an argument for efa-emu serve (repeat)")
    add("--append", action="append", metavar="ARG", help="an argument for the guest's kernel (repeat)")
    add("--qemu-arg", action="append", metavar="ARG", help="an argument for QEMU (repeat)")
    add("--boot-timeout", type=float, metavar="S",
        help="time to boot (default 60 s and 20 s for each guest; debug 7 times that)")


def _command_options(parser):
    parser.add_argument("--allow", action="append", metavar="REGEX",
                        help="a kernel complaint that is expected and does not count as failure (repeat)")
    parser.add_argument("--stdin", action="store_true", help="pass standard input to the command")


def _name_option(parser):
    parser.add_argument("--name", default="default", help="which lab (default: default)")


def _standing_parsers(commands):
    begin = commands.add_parser("up", help="boot guests and leave them running in the background")
    _guest_options(begin)
    _name_option(begin)
    begin.add_argument("--lifetime", type=float, default=3600, metavar="S",
                       help="the lab ends by itself after this time (default 3600 s)")
    begin.set_defaults(act=_up)

    execute = commands.add_parser("exec", help="run a command in a guest of a running lab, or in 'all'")
    _name_option(execute)
    _command_options(execute)
    execute.add_argument("--timeout", type=float, default=600, metavar="S", help="time for it (default 600 s)")
    execute.add_argument("host", metavar="HOST")
    execute.add_argument("command", nargs="+", metavar="-- COMMAND")
    execute.set_defaults(act=_exec)

    console = commands.add_parser("console", help="a root shell on the serial line of a guest")
    _name_option(console)
    console.add_argument("host", metavar="HOST")
    console.set_defaults(act=_console)

    end = commands.add_parser("down", help="power off the guests of a running lab")
    _name_option(end)
    end.add_argument("--allow", action="append", metavar="REGEX", help="as for run")
    end.set_defaults(act=_down)


def _parser():
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    setup = commands.add_parser("setup", help="download QEMU, kernels and their headers into the cache")
    setup.add_argument("--kernel", action="append", metavar="K", help="a kernel (repeat; default 6.1)")
    setup.add_argument("--update", action="store_true", help="look for newer kernels")
    setup.set_defaults(act=_setup)

    one = commands.add_parser("run", help="boot, run a command, power off; its status is the command's")
    _guest_options(one)
    one.add_argument("--timeout", type=float, metavar="S", help="time for the command (default 60 s, debug 420)")
    one.add_argument("--on-all", action="store_true", help="run the command in every guest at once")
    _command_options(one)
    one.add_argument("--keep", action="store_true", help="keep consoles and logs also on success")
    one.add_argument("command", nargs="+", metavar="-- COMMAND")
    one.set_defaults(act=_run)

    _standing_parsers(commands)
    _building_parsers(commands)

    listing = commands.add_parser("list-kernels", help="kernels and whether they are downloaded")
    listing.set_defaults(act=_list_kernels)

    hub = commands.add_parser("hub")  # what the lab itself starts between more than two guests
    hub.add_argument("folder")
    hub.add_argument("count")
    hub.set_defaults(act=_hub)
    return parser


def _building_parsers(commands):
    tree = commands.add_parser("kernel-build-dir", help="print the KDIR of 'make -C' for a kernel")
    tree.add_argument("kernel", metavar="K", help="6.1, 6.12, 7.3, newest, also with -cloud; debug; a folder")
    tree.set_defaults(act=_kernel_build_dir)

    build = commands.add_parser("build-module", help="build an out-of-tree module for a kernel")
    build.add_argument("--kernel", default=kernels.DEFAULT, metavar="K")
    build.add_argument("folder", help="where Kbuild or Makefile is")
    build.add_argument("arguments", nargs=argparse.REMAINDER, metavar="MAKE-ARGUMENT")
    build.set_defaults(act=_build_module)

    install = commands.add_parser("install", help="install software for guests on a view of this machine")
    install.add_argument("--kernel", default=kernels.DEFAULT, metavar="K",
                         help="the kernel that is installed in that view (KVERSION is its version)")
    install.add_argument("--into", required=True, metavar="FOLDER",
                         help="gets the changed files, for --layer; what it has already is installed too")
    install.add_argument("command", nargs="+", metavar="-- COMMAND")
    install.set_defaults(act=_install)

    env = commands.add_parser("build-env", help="run a command where modules for a kernel are built")
    env.add_argument("--kernel", default=kernels.DEFAULT, metavar="K")
    env.add_argument("command", nargs="+", metavar="-- COMMAND", help="finds KDIR and KVERSION set")
    env.set_defaults(act=_build_env)


def main(arguments):
    args = _parser().parse_args(arguments)
    try:
        return args.act(args)
    except LabError as error:
        say(str(error))
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1

"""Cutting a process off before it touches a key: no network for the rest of its life, no memory that others can read.

Linux only, without privileges: a seccomp filter (seccomp(2), mode 2) refuses every system call that makes or uses a
socket, also for what the process starts, and nothing takes it back. Where this cannot be had, the process is to
end: `isolate` refuses. Files and pipes stay.
"""

import ctypes
import os
import platform
import resource
import socket
import stat
import struct
from typing import Final

from ledger.errors import Refused

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1

# Opcodes and answers of linux/filter.h and linux/seccomp.h.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _NOT_PERMITTED = 0x7FFF0000, 0x80000000, 0x00050001
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_X32 = 0x40000000
"""From here on x86-64 has the same calls once more, under other numbers. No other architecture has any."""

# What makes, binds, connects, takes or uses a socket; io_uring, which does it without these calls; and what takes
# sockets from another process or makes another process act. Numbers: asm/unistd_64.h, asm-generic/unistd.h.
_ANYWHERE = (425, 426, 427, 438)  # io_uring_setup, _enter, _register, pidfd_getfd
_MACHINES: Final = {
    # machine: (architecture in the filter's eyes, number of seccomp, numbers that are refused)
    "x86_64": (0xC000003E, 317, (*range(41, 48), 49, 50, 53, 288, 299, 307, 101, *_ANYWHERE)),
    "aarch64": (0xC00000B7, 277, (*range(198, 204), 206, 207, 211, 212, 242, 243, 269, 117, *_ANYWHERE)),
}


def isolate() -> None:
    """Cut this process off: memory first, then the network. There is no way back.

    1. No core dump, and no other process of this user may read the memory or attach to it.
    2. It must have one thread only, so that nothing goes on beside the filter.
    3. It must not have been given a socket.
    4. The filter is set, and tried.

    Raises:
        Refused: one of them cannot be had here; the message says which. The process must not go on to make a key.
    """
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in _MACHINES or struct.calcsize("P") != 8:
        raise Refused(f"This needs Linux on {' or '.join(_MACHINES)}: elsewhere the network cannot be cut off.")
    libc = ctypes.CDLL(None, use_errno=True)
    _hide_memory(libc)
    _require_one_thread()
    _require_no_sockets()
    _cut_network(libc, machine)


def _hide_memory(libc: ctypes.CDLL) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not the limit but this also stops a core dump that the system pipes into a program (core(5)).
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise Refused("The memory of this process cannot be kept from others, so no key is made.")


def _require_one_thread() -> None:
    if len(os.listdir("/proc/self/task")) != 1:
        raise Refused("This process has other threads, so no key is made in it.")


def _require_no_sockets() -> None:
    for entry in os.listdir("/proc/self/fd"):
        try:
            mode = os.fstat(int(entry)).st_mode
        except OSError:  # the one that the listing itself used
            continue
        if stat.S_ISSOCK(mode):
            raise Refused(
                "This process was given an open connection, so no key is made in it. Use a terminal or pipes."
            )


def _cut_network(libc: ctypes.CDLL, machine: str) -> None:
    architecture, seccomp, refused = _MACHINES[machine]
    code = filter_code(architecture, refused)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(held := ctypes.create_string_buffer(code)))
    done = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and (
        libc.syscall(ctypes.c_long(seccomp), _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.c_char_p(program)) == 0
    )
    del held
    if not done or _network_is_open():
        raise Refused("The kernel does not let this process cut itself off from the network, so no key is made.")


def filter_code(architecture: int, refused: tuple[int, ...]) -> bytes:
    """The filter, in classic BPF: numbers in `refused` are not permitted (EPERM), another architecture is fatal.

    Args:
        architecture: AUDIT_ARCH of the machine.
        refused: numbers of system calls.
    """
    deny = (_RETURN, 0, 0, _NOT_PERMITTED)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _X32),
        deny,
    ]
    for number in refused:
        lines += [(_IF_EQUAL, 0, 1, number), deny]
    lines.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _network_is_open() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except PermissionError:
        return False
    except OSError:
        pass
    return True

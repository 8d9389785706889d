"""What a process may do once it is isolated, decided without isolating the one that tests."""

import socket
import struct
import threading
from errno import EPERM

import pytest

from ledger.errors import Refused
from wallet import isolation

ALLOW, KILL, DENY = 0x7FFF0000, 0x80000000, 0x00050000 | EPERM
# From the headers of Linux, name by name: x86_64 (asm/unistd_64.h), aarch64 (asm-generic/unistd.h).
NUMBERS = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "sendto": (44, 206), "recvfrom": (45, 207),
    "sendmsg": (46, 211), "recvmsg": (47, 212), "bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199),
    "accept4": (288, 242), "recvmmsg": (299, 243), "sendmmsg": (307, 269), "ptrace": (101, 117),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "pidfd_getfd": (438, 438),
}  # fmt: skip


def answer(code, architecture, number):
    """What the kernel would do: the few instructions of classic BPF that the filter has."""
    lines = [struct.unpack("HBBI", code[at : at + 8]) for at in range(0, len(code), 8)]
    data, at, value = struct.pack("II", number, architecture), 0, None
    while True:
        operation, yes, no, operand = lines[at]
        at += 1
        match operation:
            case 0x20:
                (value,) = struct.unpack_from("I", data, operand)
            case 0x15:
                at += yes if value == operand else no
            case 0x35:
                at += yes if value >= operand else no
            case 0x06:
                return operand


@pytest.mark.parametrize(("place", "machine"), list(enumerate(isolation._MACHINES)))
def test_the_filter_refuses_every_call_about_sockets_and_no_other(place, machine):
    architecture, _, refused = isolation._MACHINES[machine]
    code = isolation.filter_code(architecture, refused)
    named = {numbers[place] for numbers in NUMBERS.values()}
    for number in range(600):
        assert answer(code, architecture, number) == (DENY if number in named else ALLOW), number
    assert answer(code, architecture, 0x40000000 + 41) == DENY, "the same calls under the numbers of x32"
    assert answer(code, 0x40000003, 0) == KILL, "another architecture has other numbers"


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Windows", "AMD64"), ("Linux", "riscv64")])
def test_where_the_network_cannot_be_cut_no_key_is_made(monkeypatch, system, machine):
    monkeypatch.setattr(isolation.platform, "system", lambda: system)
    monkeypatch.setattr(isolation.platform, "machine", lambda: machine)
    with pytest.raises(Refused, match="needs Linux on x86_64 or aarch64"):
        isolation.isolate()


class Kernel:
    """A C library whose calls answer as they are told."""

    def __init__(self, prctl=0, syscall=0):
        self.prctl, self.syscall = lambda *_: prctl, lambda *_: syscall


class Open:
    def __init__(self, *_):
        pass

    def close(self):
        pass


@pytest.mark.parametrize("kernel", [Kernel(prctl=-1), Kernel(syscall=-1), Kernel()], ids=["prctl", "seccomp", "lies"])
def test_a_kernel_that_does_not_do_it_is_noticed(monkeypatch, kernel):
    monkeypatch.setattr(isolation.socket, "socket", Open)
    monkeypatch.setattr(isolation.resource, "setrlimit", lambda *_: None)
    with pytest.raises(Refused, match="cut itself off"):
        isolation._cut_network(kernel, "x86_64")


def test_memory_that_stays_open_is_noticed(monkeypatch):
    monkeypatch.setattr(isolation.resource, "setrlimit", lambda *_: None)
    with pytest.raises(Refused, match="memory"):
        isolation._hide_memory(Kernel(prctl=-1))


def test_a_second_thread_is_noticed():
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        with pytest.raises(Refused, match="other threads"):
            isolation._require_one_thread()
    finally:
        end.set()
        thread.join()


def test_a_socket_that_was_handed_over_is_noticed():
    one, other = socket.socketpair()
    with one, other, pytest.raises(Refused, match="open connection"):
        isolation._require_no_sockets()

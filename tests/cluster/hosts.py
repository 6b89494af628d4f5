"""Hosts on one machine: network namespaces, with cables to switches that are in one of their own.

Nothing leads out of them: there are no routes but to what is on the same switch. Linux, and root.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

__all__ = ["Host", "Network", "why_not"]

_CLONE_NEWNET: Final = 0x40000000
_OF_THIS_RUN: Final = f"plays{os.getpid()}"
_SWITCHES: Final = f"{_OF_THIS_RUN}-switches"


def why_not() -> str | None:
    """Why there can be no hosts here; None where there can."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid():
        return "only root can make network namespaces"
    if shutil.which("ip") is None:
        return "`ip` is not installed: apt install iproute2"
    probe = f"{_OF_THIS_RUN}-probe"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True, check=False).returncode:
        return "this root may not make network namespaces"
    _ip("netns", "del", probe)
    return None


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert not done.returncode, f"ip {' '.join(words)}: {done.stderr}"


class Host:
    """A namespace, and the processes in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.addresses: dict[str, str] = {}  #: by switch
        self._space = f"{_OF_THIS_RUN}-{name}"
        _ip("netns", "add", self._space)
        _ip("-n", self._space, "link", "set", "lo", "up")

    @property
    def prefix(self) -> list[str]:
        """Words before a command that make it run here."""
        return ["ip", "netns", "exec", self._space]

    def plug(self, switch: str, address: str) -> None:
        """Lay a cable to a switch."""
        port = self._port(switch)
        ends = ["name", port, "type", "veth", "peer", "name", switch, "netns", self._space]
        _ip("-n", _SWITCHES, "link", "add", *ends)
        _ip("-n", _SWITCHES, "link", "set", port, "master", switch, "up")
        _ip("-n", self._space, "addr", "add", f"{address}/24", "dev", switch)
        _ip("-n", self._space, "link", "set", switch, "up")
        self.addresses[switch] = address

    @contextmanager
    def cut_off(self, switch: str) -> Iterator[None]:
        """Every packet vanishes, both ways; neither end is told, as in a real partition."""
        _ip("-n", _SWITCHES, "link", "set", self._port(switch), "nomaster")
        try:
            yield
        finally:
            _ip("-n", _SWITCHES, "link", "set", self._port(switch), "master", switch)

    def _port(self, switch: str) -> str:
        return f"{self.name}-{switch}"  # 15 characters at most

    def start(
        self, words: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """A process here, with its own process group."""
        with log.open("ab") as output:
            return subprocess.Popen(
                [*self.prefix, *words],
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )

    def socket(self, address: Sequence[Any]) -> socket.socket:
        """A socket of this host, for one of `socket.getaddrinfo`'s addresses."""
        with _entered(Path("/run/netns", self._space)):
            return socket.socket(*address[:3])

    def remove(self) -> None:
        """Unmake it; its processes have ended."""
        _ip("netns", "del", self._space)


@contextmanager
def _entered(space: Path) -> Iterator[None]:
    """This thread is in a namespace; what it opens there stays there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with ExitStack() as files:
        here, there = (
            files.enter_context(open(path, "rb"))  # noqa: PTH123 -- a descriptor is all it needs
            for path in ("/proc/thread-self/ns/net", space)
        )
        if libc.setns(there.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(here.fileno(), _CLONE_NEWNET)


class Network:
    """Switches, and hosts with a cable to some of them."""

    def __init__(self, *switches: str) -> None:
        self._hosts: list[Host] = []
        self._switches = switches
        _ip("netns", "add", _SWITCHES)
        for name in switches:
            _ip("-n", _SWITCHES, "link", "add", name, "type", "bridge")
            _ip("-n", _SWITCHES, "link", "set", name, "up")

    def host(self, name: str, *switches: str) -> Host:
        """A new host, with an address on each of the switches."""
        host = Host(name)
        self._hosts.append(host)
        for switch in switches:
            net = self._switches.index(switch) + 1
            host.plug(switch, f"10.77.{net}.{len(self._hosts)}")
        return host

    def remove(self) -> None:
        """Unmake all of it."""
        for host in self._hosts:
            host.remove()
        _ip("netns", "del", _SWITCHES)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

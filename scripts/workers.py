"""Several processes that serve one socket: started, watched, and started again when one dies.

A program that runs one of them is this module: ``python -m scripts.workers NUMBER``, with the number of the socket it
inherits, configured by the same variables as everything else.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import Any

from api.settings import Settings
from scripts.devnet import GUARD

_log = logging.getLogger(__name__)

REST = 1.0
"""Seconds before one that died is started again: whatever is wrong may take a while to pass."""
LOOK = 0.1


class Workers:
    """The processes of one service.

    Args:
        settings: each of them gets these.
        bound: the socket that they share; whichever is free takes the next connection.
    """

    def __init__(self, settings: Settings, bound: socket.socket) -> None:
        self._bound, self._deadline, self._count = bound, settings.shutdown_deadline, settings.workers
        # What they count is added up when one of them is asked for it.
        self._counts = tempfile.TemporaryDirectory(prefix="volens-metrics-", ignore_cleanup_errors=True)
        given: dict[str, Any] = {
            "VOLENS_STATE_DIR": settings.state_dir.resolve(),
            "VOLENS_RPC_URL": settings.rpc_url,
            "VOLENS_HOST": settings.host,
            "VOLENS_PORT": settings.port,
            "PROMETHEUS_MULTIPROC_DIR": self._counts.name,
        }
        self._environment = os.environ | {name: str(value) for name, value in given.items()}
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()

    def run(self) -> None:
        """Keep so many running until `stop`, from the thread that calls this: Linux ends them with it."""
        born: dict[int, float] = {}
        try:
            while not self._stop.is_set():
                for number in range(self._count):
                    process = self._running.get(number)
                    if process is not None and process.poll() is None:
                        continue
                    if process is not None:
                        del self._running[number]
                        _log.error("worker %d ended (%d); another is started", number, process.returncode)
                    if time.monotonic() - born.get(number, 0.0) >= REST:
                        self._running[number], born[number] = self._start(), time.monotonic()
                self._stop.wait(LOOK)
        finally:
            self._end()

    def stop(self) -> None:
        """Make `run` return, from another thread."""
        self._stop.set()

    def _start(self) -> "subprocess.Popen[bytes]":
        number = self._bound.fileno()
        module = [sys.executable, "-m", "scripts.workers", str(number)]
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), *module],
            stdin=subprocess.DEVNULL,
            pass_fds=(number,),
            env=self._environment,
            start_new_session=True,  # Ctrl-C reaches us, and we stop them in our order
        )

    def _end(self) -> None:
        running = list(self._running.values())
        for process in running:
            with suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + self._deadline + 5
        for process in running:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._counts.cleanup()


def main() -> None:
    """Be one of them."""
    from uvicorn import Server

    from api.app import build
    from api.logs import set_up
    from api.settings import read_settings
    from ledger.errors import VolensError
    from scripts.stack import configure

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.umask(0o077)
    settings = read_settings()
    set_up(settings.log_format, settings.log_level)
    try:
        services = build(settings)
    except VolensError as error:
        _log.error("this worker cannot start: %s", error)
        sys.exit(1)
    Server(configure(services)).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()

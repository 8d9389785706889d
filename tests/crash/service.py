"""The real service in processes that can be killed at a named point: before or after each thing that becomes durable.

Nothing of this is in the service itself: the stores and the sender it is built with are watched from outside, so what
nobody may ever set in earnest is not there to be set. Run as a program it starts services by forking, which spares each
of them the seconds that importing takes: it reads lines of JSON and answers each with one.

* ``{"start": {variable: value}, "log": file}`` answers ``{"pid": …}``;
* ``{"ended": pid}`` answers ``{"status": …}``: null while it runs, otherwise as `os.waitstatus_to_exitcode`.

A service that finds a point's name in the file that ``VOLENS_TEST_FAILPOINT`` names kills itself there.
"""

import ctypes
import json
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

CALLS = {"send": "sender", "put": "vault", "remove": "vault", "add": "keys", "replace": "keys", "destroy": "keys"}
"""Of the ports, with the name of the port; and every method of a unit of work."""


class Watch:
    """Kills this process where it is told to.

    Args:
        told: the file in which the point's name stands, if any.
    """

    def __init__(self, told):
        self._told = Path(told) if told else None

    def reach(self, point):
        """At most once."""
        if self._told and self._told.exists() and self._told.read_text() == point:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, *names):
        """Before and after something that is durable when it returns."""
        for name in names:
            self.reach(f"{name}.before")
        yield
        for name in names:
            self.reach(f"{name}.after")


class Calls:
    """A port whose calls are watched."""

    def __init__(self, real, watch):
        self._real, self._watch = real, watch

    def __getattr__(self, name):
        found = getattr(self._real, name)
        if name not in CALLS:
            return found

        def call(*arguments):
            with self._watch.around(f"{CALLS[name]}.{name}"):
                return found(*arguments)

        return call


class Store(Calls):
    """A store whose units of work are watched: just before each is committed, and just after."""

    @contextmanager
    def begin(self):
        with self._real.begin() as tx:
            seen = Transaction(tx)
            yield seen
            for name in seen.names:
                self._watch.reach(f"{name}.before")
        for name in seen.names:
            self._watch.reach(f"{name}.after")


class Transaction:
    """A unit of work that remembers what was done in it."""

    def __init__(self, real):
        self._real, self.names = real, []

    def __getattr__(self, name):
        found = getattr(self._real, name)

        def call(*arguments, **more):
            self.names += described(name, arguments, more)
            return found(*arguments, **more)

        return call


def described(name, arguments, more):
    """What is done, told apart where it matters: which fact, which status, what kind of entry."""
    match name:
        case "set_fact":
            return [f"set_fact[{arguments[0]}]"]
        case "update_relay":
            return [f"update_relay[{more.get('status', 'receipt')}]"]
        case "append_log":
            return [f"append_log[{json.loads(arguments[0])['kind']}]"]
        case "append_logs":
            return sorted({f"append_log[{json.loads(leaf)['kind']}]" for leaf, _ in arguments[0]})
        case _:
            return [name]


def serve(variables, log):
    """Be the service that these variables describe, until killed."""
    from uvicorn import Server

    from api import app
    from api.logs import set_up
    from api.settings import read_settings
    from scripts.stack import configure, listen

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(output, number)
    os.environ.update(variables)
    settings = read_settings()
    set_up(settings.log_format, settings.log_level)
    watch = Watch(os.environ.get("VOLENS_TEST_FAILPOINT"))
    open_stores, sender = app.open_stores, app.Web3Sender

    def watched(settings):
        store, vault, keys = open_stores(settings)
        return Store(store, watch), Calls(vault, watch), Calls(keys, watch)

    app.open_stores = watched
    app.Web3Sender = lambda *arguments: Calls(sender(*arguments), watch)
    bound = listen(settings.host, settings.port)
    Server(configure(app.build(settings))).run(sockets=[bound])


def main():
    """Start services as told on standard input."""
    import scripts.stack  # noqa: F401 (so that the forked find everything imported)

    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        if "ended" in told:
            pid, status = os.waitpid(told["ended"], os.WNOHANG)
            answer = {"status": os.waitstatus_to_exitcode(status) if pid else None}
        else:
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    os.close(0)
                    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # not to outlive who started it
                    serve(told["start"], told["log"])
                    status = 0
                except BaseException:  # noqa: BLE001 (whatever it was: it is told, and the test fails)
                    import traceback

                    traceback.print_exc()
                finally:
                    os._exit(status)
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

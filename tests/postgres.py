"""A PostgreSQL of the tests' own: Debian's, in a temporary folder, reached through a socket in it, gone afterwards."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
SECONDS = 120


class Postgres:
    """Use it in a ``with`` statement. Databases of one kind are copies of one that was filled once.

    Args:
        durable: whether a commit reaches the disk; tests do without, benchmarks do not.
    """

    def __init__(self, durable=False):
        self._durable = durable
        assert (PROGRAMS / "postgres").exists(), "There is no PostgreSQL 15: run `make setup-system`."
        self._folder = Path(tempfile.mkdtemp(prefix="volens-postgres-"))
        # PostgreSQL refuses to run as root.
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        if self._as:
            shutil.chown(self._folder, "postgres", "postgres")
        self._names = itertools.count(1)
        self._templates = {}

    def __enter__(self):
        data = self._folder / "data"
        self._run("initdb", "--auth=trust", "--username=volens", "--encoding=UTF8", "--no-sync", "--pgdata", data)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self._folder,
            "fsync": "on" if self._durable else "off",
        }
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [*self._as, PROGRAMS / "postgres", "-D", data, *settings]
        self._server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + SECONDS
        while subprocess.run([PROGRAMS / "pg_isready", "-q", "-h", self._folder], check=False).returncode:
            assert self._server.poll() is None, "PostgreSQL did not start."
            assert time.monotonic() < until, "PostgreSQL is not ready."
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self._server.send_signal(signal.SIGINT)  # the fast way: whoever is still connected is cut off
        self._server.wait(SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program, *arguments):
        done = subprocess.run([*self._as, PROGRAMS / program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def database(self, fill=None):
        """The URL of a new database; `fill` is called with the URL of one, once, and what it made there is copied."""
        if fill is not None and fill not in self._templates:
            self._templates[fill] = self._create("")
            fill(self._url(self._templates[fill]))
        return self._url(self._create("" if fill is None else f"TEMPLATE {self._templates[fill]}"))

    def copy(self, name):
        """The URL of a copy of a database that nobody uses meanwhile."""
        return self._url(self._create(f"TEMPLATE {name}"))

    def drop(self, name):
        """Remove a database."""
        self._say(f"DROP DATABASE {name} WITH (FORCE)")

    def _create(self, like):
        name = f"volens_{next(self._names)}"
        self._say(f"CREATE DATABASE {name} {like}")
        return name

    def _say(self, command):
        with psycopg.connect(host=str(self._folder), user="volens", dbname="postgres", autocommit=True) as connection:
            connection.execute(command)

    def _url(self, name):
        return f"postgresql://volens@/{name}?host={self._folder}"

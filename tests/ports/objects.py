"""Object storage for tests: moto's S3 in a process of its own, on a port of this machine only."""

import subprocess
import sys
from datetime import UTC, datetime

from ledger.adapters.objects import ObjectVault
from ledger.sealing import Secret

KEY, SECRET, BUCKET = "volens-test", "a secret that must not be seen", "sealed"
_SERVE = f"""
import logging, sys
import boto3
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://%s:%d" % server.get_host_and_port()
made = boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id={KEY!r},
                    aws_secret_access_key={SECRET!r})
made.create_bucket(Bucket={BUCKET!r})
print(url, flush=True)
sys.stdin.read()
"""


class Objects:
    """A running storage with one bucket."""

    def __init__(self) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        self._process = subprocess.Popen([sys.executable, "-c", _SERVE], **pipes)
        self.url = self._process.stdout.readline().strip()
        self._count = 0

    def vault(self, spool, now=lambda: datetime.now(UTC)):
        """An empty vault under a prefix of its own."""
        self._count += 1
        spool.mkdir(exist_ok=True)
        access = {"endpoint": self.url, "region": "us-east-1", "key_id": KEY, "secret": Secret(SECRET)}
        return ObjectVault(BUCKET, f"test{self._count}/", spool, now=now, **access)

    def stop(self) -> None:
        """It ends when its input does."""
        self._process.communicate(timeout=20)

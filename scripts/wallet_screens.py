"""The pictures of docs/wallet.md: some screens of a whole run in the browser, on a phone and on a desk."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from scripts.locks import ROOT

FOLDER = ROOT / "docs" / "wallet"
PHONE, DESK = "390x844", "1280x800"
KEPT = {
    PHONE: (
        "01-welcome",
        "05-invitation",
        "06-material",
        "08-choices",
        "09-review",
        "12-consents",
        "13-accesses",
        "14-stop",
    ),
    DESK: ("06-material", "12-consents"),
}
TALLEST = 1600
"""Pixels of a picture: a long screen is cut off, which the page itself never does."""


def main() -> None:
    """Run the story once for each window and keep its pictures, in few colours."""
    for window, names in KEPT.items():
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {"VOLENS_TEST_SCREENS": folder, "VOLENS_TEST_WINDOW": window}
            command = [sys.executable, "-m", "pytest", "-q", "tests/browser/test_story.py"]
            if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:  # noqa: S603 (our own tests)
                sys.exit("The run did not come to its end; the pictures were left as they are.")
            FOLDER.mkdir(exist_ok=True)
            for name in names:
                keep(Path(folder) / f"{name}.png", FOLDER / f"{name}{'' if window == PHONE else '-desk'}.png")


def keep(taken: Path, kept: Path) -> None:
    """A smaller file that looks the same."""
    with Image.open(taken) as picture:
        shown = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, TALLEST)))
        shown.quantize(128).save(kept, optimize=True)


if __name__ == "__main__":
    main()

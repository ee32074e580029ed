"""Fetch the JavaScript libraries of the explorer again, from npm at the versions of vendor.toml.

    python tools/vendor.py            # at the versions that are pinned
    python tools/vendor.py --check    # write nothing; exit with 1 where a file differs

npm checks each package against the registry's own checksum. The checksum of every file that is kept
is written beside the version, and a test compares them.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "archcalc/report/explore/static"
PINNED = FOLDER / "vendor.toml"
KEPT = {"dagre": {"dist/dagre.min.js": "dagre.min.js", "LICENSE": "dagre.LICENSE"}}
"""Of each library: a path in its package, and its name here."""


def fetched(package: str, version: str) -> dict[str, bytes]:
    """The files of a package, by path."""
    with tempfile.TemporaryDirectory() as folder:
        asked = ["npm", "pack", "--silent", f"{package}@{version}", "--pack-destination", folder]
        subprocess.run(asked, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            return {
                member.name.removeprefix("package/"): files.extractfile(member).read()  # type: ignore[union-attr]
                for member in files.getmembers()
                if member.isfile()
            }


def main() -> int:
    """0, or 1 where ``--check`` finds a file that differs."""
    pinned = tomllib.loads(PINNED.read_text(encoding="utf-8"))
    text = PINNED.read_text(encoding="utf-8").partition("\n[")[0].rstrip() + "\n"
    stale = []
    for name, kept in KEPT.items():
        found = fetched(pinned[name]["package"], pinned[name]["version"])
        text += f'\n[{name}]\npackage = "{pinned[name]["package"]}"\n'
        text += f'version = "{pinned[name]["version"]}"\n[{name}.sha256]\n'
        for path, here in kept.items():
            # The map that the last line names is not kept.
            data = re.sub(rb"\n//# sourceMappingURL=.*\n?\Z", b"\n", found[path])
            text += f'"{here}" = "{hashlib.sha256(data).hexdigest()}"\n'
            if "--check" not in sys.argv:
                (FOLDER / here).write_bytes(data)
            elif (FOLDER / here).read_bytes() != data:
                stale.append(here)
    if "--check" not in sys.argv:
        PINNED.write_text(text, encoding="utf-8")
    elif stale or PINNED.read_text(encoding="utf-8") != text:
        print(f"differs from npm: {', '.join(stale) or 'vendor.toml'}; run python tools/vendor.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Download the JavaScript libraries of the explorer from npm, at the versions in vendor.toml.

    python tools/vendor.py            # download the pinned versions
    python tools/vendor.py --check    # write nothing; exit with 1 if a file differs

npm checks each package against the checksum of the registry. ``vendor.toml`` also has a checksum of
each file, which a test compares.
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
"""For each library, the paths in its package and the file names here."""


def fetched(package: str, version: str) -> dict[str, bytes]:
    """The contents of the files of a package, by path."""
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
    """Returns 1 if ``--check`` finds a file that differs, else 0."""
    pinned = tomllib.loads(PINNED.read_text(encoding="utf-8"))
    text = PINNED.read_text(encoding="utf-8").partition("\n[")[0].rstrip() + "\n"
    stale = []
    for name, kept in KEPT.items():
        found = fetched(pinned[name]["package"], pinned[name]["version"])
        text += f'\n[{name}]\npackage = "{pinned[name]["package"]}"\n'
        text += f'version = "{pinned[name]["version"]}"\n[{name}.sha256]\n'
        for path, here in kept.items():
            # Remove the reference to the source map, which is not included.
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

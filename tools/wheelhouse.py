"""Download what gradbench needs on a machine without network: `make wheelhouse`, in a checkout."""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

SOURCE_ONLY = ("antlr4-python3-runtime",)
"""What is published without a wheel; pure Python, so that one built here fits everywhere."""

LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Older names of tags, by minor version of glibc. Source: PEP 600."""

# --python-version chooses files, but pip judges conditions such as `; python_version < "3.11"` by
# the interpreter that it runs in, which here says that it were the other.
PIP_ELSEWHERE = """
import platform, runpy, sys
version, machine = sys.argv[1:3]
platform.python_version = lambda: f"{version}.0"
platform.python_version_tuple = lambda: (*version.split("."), "0")
platform.machine = lambda: machine
sys.argv = ["pip", *sys.argv[3:]]
runpy.run_module("pip", run_name="__main__")
"""


def platforms(newest: str) -> list[str]:
    """List the platforms whose wheels a machine takes: those of its glibc and of older ones.

    Args:
        newest: The machine's own, such as ``manylinux_2_28_x86_64``.

    Returns:
        Tags, newest first.

    Raises:
        SystemExit: It is no such tag.
    """
    found = re.fullmatch(r"manylinux_2_(\d+)_(\w+)", newest)
    if found is None:
        raise SystemExit(f"PLATFORM={newest}: write manylinux_2_28_x86_64, or alike")
    tags = []
    for minor in range(int(found[1]), min(LEGACY) - 1, -1):
        names = [f"manylinux_2_{minor}", *([LEGACY[minor]] if minor in LEGACY else [])]
        tags += [f"{name}_{found[2]}" for name in names]
    return tags


def pip_for(target: str, python: str, command: str, *arguments: str) -> None:
    """Run pip for another machine and Python.

    Args:
        target: Platform of the machine, such as ``manylinux_2_28_x86_64``.
        python: Its version of Python, such as ``3.12``.
        command: Pip's: ``download`` or ``install``.
        arguments: Pip's.

    Raises:
        SystemExit: Pip failed, and has said why.
    """
    tags = [f"--platform={tag}" for tag in platforms(target)]
    machine = re.sub(r"manylinux_2_\d+_", "", target)
    options = [command, "--only-binary=:all:", f"--python-version={python}", *tags]
    _run("-c", PIP_ELSEWHERE, python, machine, *options, *arguments)


def bare_torch(folder: Path, version: str) -> Path:
    """Write a wheel of torch that holds nothing: pip then downloads neither torch nor CUDA.

    It needs setuptools, as torch does, since a virtual environment of Python 3.11 or older holds an
    old one, which hides the machine's.

    Args:
        folder: Where to.
        version: Which torch it stands for.

    Returns:
        The wheel.
    """
    wheel = folder / f"torch-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        said = (
            f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\nRequires-Dist: setuptools\n"
        )
        archive.writestr(f"torch-{version}.dist-info/METADATA", said)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"torch-{version}.dist-info/WHEEL", tags)
    return wheel


def download(
    requirements: Iterable[str], into: Path, target: str, python: str, torch: str | None
) -> None:
    """Download requirements and all that they need.

    Args:
        requirements: As pip takes them.
        into: Folder, in which wheels may be already.
        target: Platform of the machine that will install them.
        python: Its version of Python.
        torch: Version of torch that the machine has; None downloads one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        bare = [] if torch is None else [bare_torch(Path(scratch), torch)]
        options = ("--dest", str(into), "--find-links", str(into))
        pip_for(target, python, "download", *options, *requirements, *map(str, bare))
    for wheel in bare:
        (into / wheel.name).unlink()


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a folder with wheels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("wheelhouse"))
    glibc = platform.libc_ver()[1].replace(".", "_")
    parser.add_argument("--platform", default=f"manylinux_{glibc}_{platform.machine()}")
    parser.add_argument("--python", default=".".join(platform.python_version_tuple()[:2]))
    parser.add_argument("--extras", default="")
    parser.add_argument("--torch", action="store_true", help="torch and what it needs, too")
    chosen = parser.parse_args(arguments)
    platforms(chosen.platform)  # refused before anything is done
    shutil.rmtree(chosen.into, ignore_errors=True)
    _run("-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(chosen.into), ".", *SOURCE_ONLY)
    (own,) = chosen.into.glob("torch_gradbench-*.whl")
    pinned = re.search(r"^torch==(\S+)", Path("constraints.txt").read_text(), re.MULTILINE)
    torch = None if chosen.torch or pinned is None else pinned[1]
    extras = f"[{chosen.extras}]" if chosen.extras else ""
    download([f"{own}{extras}"], chosen.into, chosen.platform, chosen.python, torch)
    sizes = [wheel.stat().st_size for wheel in chosen.into.iterdir()]
    print(f"{chosen.into}: {len(sizes)} wheels, {sum(sizes) / 1e6:.0f} MB", end=", ")
    print(f"for Python {chosen.python} on {chosen.platform}")


def _run(*arguments: str) -> None:
    status = subprocess.run([sys.executable, *arguments], check=False).returncode
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    main()

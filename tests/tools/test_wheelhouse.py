"""What `make wheelhouse` downloads, from a folder instead of the network."""

import zipfile
from pathlib import Path

import pytest

from tools.wheelhouse import download, main, platforms


def wheel(folder: Path, name: str, *needs: str, tag: str = "py3-none-any") -> None:
    said = "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(folder / f"{name}-1.0-{tag}.whl", "w") as archive:
        archive.writestr(
            f"{name}-1.0.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{said}",
        )
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name in ("setuptools", "cuda", "backport", "patch", "native"):
        wheel(folder, name)
    wheel(folder, "torch", "cuda")
    for tag in ("cp310-cp310-manylinux_2_17_x86_64", "cp312-cp312-manylinux2014_x86_64"):
        wheel(folder, "native", tag=tag)
    wheel(folder, "native", tag="cp310-cp310-manylinux_2_35_x86_64")
    wheel(folder, "native", tag="cp310-cp310-manylinux_2_17_aarch64")
    wheel(
        folder,
        "demo",
        "torch",
        'backport; python_version < "3.11"',
        'patch; python_full_version < "3.11"',
        'native; platform_machine == "x86_64"',
    )
    return folder


@pytest.mark.parametrize(
    ("target", "python", "torch", "found"),
    [
        (
            "manylinux_2_28_x86_64",
            "3.10",
            "1.0",
            {
                *("demo", "setuptools", "backport", "patch"),
                "native-1.0-cp310-cp310-manylinux_2_17_x86_64",
            },
        ),
        (
            "manylinux_2_28_x86_64",
            "3.12",
            "1.0",
            {"demo", "setuptools", "native-1.0-cp312-cp312-manylinux2014_x86_64"},
        ),
        ("manylinux_2_28_aarch64", "3.12", None, {"demo", "torch", "cuda"}),
    ],
)
@pytest.mark.usefixtures("index")
def test_it_is_what_the_other_machine_installs(
    target: str, python: str, torch: str | None, found: set[str], tmp_path: Path
) -> None:
    into = tmp_path / "wheelhouse"
    download(["demo"], into, target, python, torch)
    assert {file.stem.replace("-1.0-py3-none-any", "") for file in into.iterdir()} == found


def test_what_is_not_there_ends_with_pips_status(index: Path, tmp_path: Path) -> None:
    (index / "backport-1.0-py3-none-any.whl").unlink()
    with pytest.raises(SystemExit, match="1"):
        download(["demo"], tmp_path / "wheelhouse", "manylinux_2_28_x86_64", "3.10", "1.0")


def test_a_machine_takes_what_was_built_for_an_older_one() -> None:
    taken = platforms("manylinux_2_17_aarch64")
    assert taken[:3] == [
        "manylinux_2_17_aarch64",
        "manylinux2014_aarch64",
        "manylinux_2_16_aarch64",
    ]
    assert "manylinux_2_18_aarch64" not in taken


def test_a_platform_that_is_none_leaves_the_folder_alone(tmp_path: Path) -> None:
    kept = tmp_path / "of_another_time.whl"
    kept.touch()
    with pytest.raises(SystemExit, match="PLATFORM=linux: write manylinux_2_28_x86_64"):
        main(["--into", str(tmp_path), "--platform", "linux"])
    assert kept.exists()

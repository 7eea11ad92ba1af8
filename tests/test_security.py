"""What SECURITY.md states: results are read as figures and text, and nothing in them is run."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gradbench
from gradbench.results.load import UnreadableResults
from gradbench.results.schema import arrow_schema
from gradbench.results.store import Store
from tests.results.test_store import cell

PACKAGE = Path(gradbench.__file__).parent
READERS = ("results", "report", "compare", "predict", "cli/commands")
"""Packages that read what other people have measured."""

UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "to_pickle", "import_module"}


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def called(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                names.add(node.func.id)
            elif isinstance(node.func, ast.Attribute) and node.func.attr.endswith("pickle"):
                names.add(node.func.attr)
    return names


def sources(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, folder
    return found


@pytest.mark.parametrize("package", READERS)
def test_what_reads_results_can_run_nothing_of_them(package: str) -> None:
    for file in sources(PACKAGE / package):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert not imported(tree) & (UNPICKLERS | {"torch"}), file
        assert not called(tree) & CALLS, file


def test_the_only_pickle_is_between_a_process_and_its_child() -> None:
    users = {
        str(file.relative_to(PACKAGE))
        for file in sources(PACKAGE)
        if imported(ast.parse(file.read_text(encoding="utf-8"))) & UNPICKLERS
    }
    assert users == {"timing/instructions.py"}


def test_reading_finds_no_class_by_pickle(tmp_path: Path) -> None:
    """Python itself says when something is unpickled: the audit event ``pickle.find_class``."""
    store = Store(tmp_path / "r")
    for table in ("samples", "gradients", "observations", "runs"):
        store.write(table, "b", [])
    store.write("cells", "b", [{**cell("ok"), "device": "cpu", "model": "m", "rule": "sgd"}])
    code = f"""
import sys
seen = []
sys.addaudithook(lambda event, arguments: seen.append(event) if "pickle" in event else None)
import pickle
pickle.loads(pickle.dumps(sys.intern))
assert seen, "the hook hears nothing"
import gradbench
from gradbench.cli.main import main
before = len(seen)
for table in ("cells", "samples", "gradients", "observations", "runs"):
    gradbench.load({str(tmp_path)!r}, table)
assert main(["summary", {str(tmp_path)!r}]) == 0
assert main(["runs", {str(tmp_path)!r}]) == 0
assert len(seen) == before, seen
"""
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.file,))


def test_a_pickle_in_a_files_metadata_is_not_run(tmp_path: Path) -> None:
    """As in CVE-2023-47248: a column whose type is a Python object."""
    trap = tmp_path / "it was run"
    pickled = pickle.dumps(Payload(trap))
    pickle.loads(pickled)
    assert trap.exists(), "the payload is none"
    trap.unlink()
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickled,
    }
    schema = arrow_schema("cells")
    fields = [schema.field(i).with_metadata(extension) for i in range(len(schema.names))]
    path = Store(tmp_path / "r").write("cells", "b", [cell("ok")])
    pq.write_table(pa.schema(fields, metadata=schema.metadata).empty_table(), path)
    with pytest.warns(UnreadableResults, match=path.name):
        assert gradbench.load(tmp_path / "r").empty
    assert not trap.exists()

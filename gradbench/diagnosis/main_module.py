"""A script or module as the ``__main__`` of this process, and what it needs to be that."""

from __future__ import annotations

import difflib
import importlib.util
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from gradbench.errors import BadRequest

NOTEBOOK = "{} is a notebook: write `with gradbench.diagnose():` around its cell's code instead"


class NoProgram(BadRequest):
    """There is no such script or module."""


@dataclass(frozen=True)
class MainModule:
    """What is to be run.

    Args:
        name: Name of the module; empty for a script.
        path: File of the script, absolute.
        given: Path as it was given: what ``sys.argv[0]`` is.
        folder: What stands first on ``sys.path``.
        files: Path that all files of the program begin with; empty if none is known.
    """

    name: str
    path: str
    given: str
    folder: str
    files: str

    @property
    def program(self) -> str:
        """What the program is called."""
        return self.name or self.path

    def run(self) -> None:
        """Run it in ``sys.modules["__main__"]``, as Python would.

        Raises:
            NoProgram: There is no such module.
        """
        main = sys.modules["__main__"]
        code = self._module(main) if self.name else self._script(main)
        exec(code, main.__dict__)

    def _script(self, main: ModuleType) -> CodeType:
        main.__file__ = self.path
        main.__loader__ = SourceFileLoader("__main__", self.path)
        main.__dict__.update(__cached__=None, __package__=None, __spec__=None)
        with io.open_code(self.path) as file:
            return compile(file.read(), self.path, "exec", dont_inherit=True)

    def _module(self, main: ModuleType) -> CodeType:
        spec = _spec(self.name)
        loader = spec.loader
        code: CodeType | None = None
        if isinstance(loader, InspectLoader):
            code = loader.get_code(spec.name)
        if code is None:
            raise NoProgram(f"no code for module {self.name}: give a module written in Python")
        main.__file__ = sys.argv[0] = spec.origin or self.name
        main.__loader__ = loader
        main.__spec__ = spec
        main.__dict__.update(__cached__=spec.cached, __package__=spec.parent)
        return code


def find_script(program: str) -> MainModule:
    """Find a script.

    Args:
        program: Its path, or that of a folder that holds ``__main__.py``.

    Returns:
        What is to be run.

    Raises:
        NoProgram: There is no such script.
    """
    path = Path(program)
    if path.is_dir():
        path = path / "__main__.py"
    if path.suffix == ".ipynb":
        raise NoProgram(NOTEBOOK.format(program))
    if not path.is_file():
        raise NoProgram(f"no program {program}: {_choices(program, path.parent)}")
    file = os.path.abspath(path)
    return MainModule("", file, program, os.path.dirname(os.path.realpath(file)), file)


def find_module(name: str) -> MainModule:
    """Find a module; only the package that it is in need be there, nothing is imported.

    Args:
        name: Its name, as with ``python -m``.

    Returns:
        What is to be run.

    Raises:
        NoProgram: There is no such module.
    """
    folder = os.getcwd()
    top = name.partition(".")[0]
    importlib.invalidate_caches()
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError):
        spec = None
    finally:
        sys.path.remove(folder)
    if spec is None or name.endswith(".py"):
        raise _no_module(name)
    places = list(spec.submodule_search_locations or ())
    files = os.path.join(places[0], "") if places else spec.origin or ""
    return MainModule(name, "", "-m", folder, files)


@contextmanager
def as_main(main: MainModule, arguments: Sequence[str]) -> Iterator[None]:
    """Be the process that a program expects, and put ours back afterwards.

    Args:
        main: The program.
        arguments: What follows its name in ``sys.argv``.

    Yields:
        Nothing; what ``__main__`` holds lives until the end.
    """
    module = ModuleType("__main__")
    folder, before = os.getcwd(), dict(sys.modules)
    kept = (sys.argv, list(sys.path), sys.excepthook, sys.stdout, sys.stderr)
    importlib.invalidate_caches()
    sys.argv = [main.given, *arguments]
    sys.path.insert(0, main.folder)
    sys.excepthook = sys.__excepthook__
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.argv, sys.path[:], sys.excepthook, sys.stdout, sys.stderr = kept
        _forget(before, main)
        with suppress(OSError):
            os.chdir(folder)


def _forget(before: dict[str, ModuleType], main: MainModule) -> None:
    """Forget the modules beside the program: another one's may have the same names."""
    beside = os.path.join(main.folder, "")
    known = {name.partition(".")[0] for name in before}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        new = name.partition(".")[0] not in known
        if new and file.startswith(beside) and "site-packages" not in file:
            del sys.modules[name]
    sys.modules["__main__"] = before["__main__"]


def _spec(name: str) -> ModuleSpec:
    """Find a module's spec as ``python -m`` does: what it lies in is imported for that."""
    parent = name.rpartition(".")[0]
    if parent:
        try:
            __import__(parent)
        except ModuleNotFoundError as error:
            if error.name and (parent == error.name or parent.startswith(f"{error.name}.")):
                raise _no_module(name) from None
            raise
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError, TypeError):
        spec = None
    if spec is None:
        raise _no_module(name)
    return _spec(f"{name}.__main__") if spec.submodule_search_locations is not None else spec


def _no_module(name: str) -> NoProgram:
    if name.endswith(".py") and Path(name).is_file():
        return NoProgram(f"no module {name}: leave out -m to run the script of that path")
    here = Path.cwd()
    names = [each.stem for each in here.glob("*.py")]
    names += [each.parent.name for each in here.glob("*/__init__.py")]
    there = f"; here are {', '.join(sorted(names)[:8])}" if names else ""
    return NoProgram(f"no module {name}: give the name of one, as with python -m{there}")


def _choices(program: str, folder: Path) -> str:
    """Say which scripts there are where one was looked for."""
    scripts = sorted(each.name for each in folder.glob("*.py"))
    close = difflib.get_close_matches(Path(program).name, scripts)
    meant = f"did you mean {' or '.join(close)}? " if close else ""
    there = f"; {folder} has {', '.join(scripts[:8])}" if scripts else ""
    return f"{meant}give the path of a Python script{there}"

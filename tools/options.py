"""The page of all options, ``conf/README.md``, from the comment that each begins with."""

from __future__ import annotations

from pathlib import Path

CONFIGURATION = Path(__file__).resolve().parent.parent / "conf"

_HEAD = """\
# Options

One option is one file, and here stands the comment that it begins with: `make format` writes this
page. `python -m gradbench GROUP=NAME` chooses one; `strategy`, `zeroing`, `experiment` are lists,
and a sweep is `+sweep=NAME`.
"""


def options_page(configuration: Path) -> str:
    """List the options of every group.

    Args:
        configuration: Folder of the groups.

    Returns:
        Markdown.

    Raises:
        ValueError: An option does not begin with a comment.
    """
    sections = [_HEAD]
    for group in sorted(path for path in configuration.iterdir() if path.is_dir()):
        rows = [f"| `{f.stem}` | {comment_of(f)} |" for f in sorted(group.glob("*.yaml"))]
        if rows:  # hydra/ has folders alone
            head = [f"## {group.name}", "", "| option | what it is |", "|---|---|"]
            sections.append("\n".join([*head, *rows, ""]))
    return "\n".join(sections)


def comment_of(option: Path) -> str:
    """Return the comment that an option begins with, in one line.

    Args:
        option: Its file.

    Returns:
        The comment; what is said to Hydra is none.

    Raises:
        ValueError: There is none.
    """
    words = []
    for line in option.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            words.append(line.removeprefix("#").strip().replace("|", "\\|"))
    if not words:
        raise ValueError(f"{option} does not begin with a comment that says what it is")
    return " ".join(words)


if __name__ == "__main__":
    (CONFIGURATION / "README.md").write_text(options_page(CONFIGURATION), encoding="utf-8")

import csv
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import gradbench
from gradbench.cli.main import main
from gradbench.errors import BadRequest
from gradbench.report.content import Content
from gradbench.report.publish import Report
from tests.report.stored import write_observations, write_run

HTML = "<img src=x onerror=alert(1)></script><script>alert(2)</script><!--"
LATEX = r"\input{/etc/passwd} % $x_1^2$ & # ~ {} “ü” 中 µ"
FORMULA = '=HYPERLINK("http://evil","x")'


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two devices, with hostile names, and observations."""
    folder = tmp_path_factory.mktemp("results")
    write_run(folder, "first", models=("mlp", HTML), rules=("sgd", LATEX))
    write_run(folder, "second", models=("mlp",), device="cuda", device_name=FORMULA)
    cases = [
        {"experiment": "placement", "case": f"{where}/{how}", "verdict": verdict, "outcome": seen}
        | {"expected": "error", "message": HTML, "placement": where, "strategy": how}
        | {"operation": "Linear", "source": FORMULA, "mode": "eager"}
        | {"input_requires_grad": True, "weight_gradient": seen, "upstream_gradient": seen}
        for where, how, seen, verdict in (
            ("between", "no_grad", "error", "as_documented"),
            ("between", "data", "wrong, silently", "defect"),
            ("after", "data", "old", "as_documented"),
        )
    ]
    code = {"code": f"w.data = 1  # {HTML}", "kind": "broken", "title": "`.data`", "topic": "data"}
    cases.append({"experiment": HTML, "case": "one", "verdict": "refuted", "outcome": LATEX} | code)
    write_observations(folder, cases)
    return folder


@pytest.fixture(scope="module")
def output(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes."""
    folder = tmp_path_factory.mktemp("output") / "deep" / "report"
    assert main(["report", str(results), "--output", str(folder)]) == 0
    return folder


class Elements(HTMLParser):
    """What a browser would make of a page: its elements, their texts, and addresses."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in {"src", "href"} or k.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_all_files_are_there(output: Path) -> None:
    names = {path.name for path in (output / "figures").iterdir()}
    drawn = ("speedup", "update_time", "devices", "phases", "time_against_bytes")
    drawn += ("time_against_tensors", "gradient_norm", "gradient_zeros")
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("svg", "png")}
    for path in (output / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    tables = {path.suffix for path in (output / "tables").iterdir()}
    assert tables == {".md", ".tex", ".csv"}
    assert (output / "tables" / "recommendations.csv").is_file()


def test_names_from_results_are_text_in_the_page(output: Path) -> None:
    page = (output / "index.html").read_text()
    elements = Elements(page)
    assert "img" not in elements.tags
    assert elements.tags.count("script") == 5  # ours
    assert set(elements.addresses) <= {"data:,"}
    assert any(HTML in text for text in elements.texts)
    assert "alert(2)</script>" not in page


def test_names_from_results_are_text_in_figures(output: Path) -> None:
    for path in (output / "figures").glob("*.svg"):
        assert "<img" not in path.read_text()
        assert "<script" not in path.read_text()


def test_names_from_results_are_text_in_markdown(output: Path) -> None:
    for path in (output / "tables").glob("*.md"):
        text = path.read_text()
        assert "<img" not in text
        assert "<script" not in text
        heights = {
            len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line[:1] == "|"
        }
        assert len(heights) == 1, path.name  # no name has opened or ended a cell


def test_no_cell_of_a_csv_is_a_formula(output: Path) -> None:
    found = []
    for path in (output / "tables").glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.reader(file):
                found += [cell for cell in row if FORMULA in cell]
                assert not [cell for cell in row if cell.startswith(("=", "@", "+"))]
    assert found
    assert all(cell.startswith("'=") for cell in found)


def test_latex_has_no_sign_that_runs(output: Path) -> None:
    for path in (output / "tables").glob("*.tex"):
        text = path.read_text()
        assert r"\input" not in text
        assert r"\toprule" in text
        assert text.count(r"\begin{") == text.count(r"\end{")
        bare = re.sub(r"\\[{}%$&#_]", "", text)
        assert bare.count("{") == bare.count("}")
        columns = re.search(r"\\begin\{(?:tabular\*|longtable)\}.*?([lr|]+)\}\s*\n", text)
        assert columns, path.name
        width = columns[1].count("l") + columns[1].count("r")
        body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
        for line in body.split(r"\\"):
            cells = len(re.findall(r"(?<!\\)&", line)) + 1
            assert cells == width or r"\multicolumn" in line or cells == 1, (path.name, line)


@pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed")
def test_latex_compiles(output: Path, tmp_path: Path) -> None:
    tables = sorted((output / "tables").glob("*.tex"))
    inputs = "\n".join(rf"\input{{{path}}}\clearpage" for path in tables)
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs,caption,longtable}\n"
        "\\usepackage{textcomp}\n\\begin{document}\n" + inputs + "\n\\end{document}\n"
    )
    done = subprocess.run(
        ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_wrong_cell_is_listed_and_never_ranked(output: Path) -> None:
    with (output / "tables" / "recommendations.csv").open() as file:
        assert {row["strategy"] for row in csv.DictReader(file)} == {"flat"}
    with (output / "tables" / "wrong.csv").open() as file:
        assert {row["strategy"] for row in csv.DictReader(file)} == {"broken"}
    for path in (output / "tables").glob("latency*.md"):
        last = path.read_text().splitlines()[-1]
        assert "broken" in last
        assert "not ranked" in last


def test_every_row_of_a_block_has_its_verdict(output: Path) -> None:
    told = {"data": "same", "flat": "faster", "foreach": "faster"}
    for path in (output / "tables").glob("latency*.md"):
        lines = path.read_text().splitlines()
        assert "| verdict |" in "\n".join(lines)
        for strategy, verdict in told.items():
            rows = [line for line in lines if line.startswith(f"| {strategy} |")]
            assert rows
            assert all(f"| {verdict} |" in row for row in rows)


def test_an_earlier_report_leaves_nothing_and_strangers_stay(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "latency-old.md").write_text("old")
    (tmp_path / "notes.md").write_text("mine")
    Report(Content(*[pd.DataFrame()] * 9, ()), (), (), "page").write(tmp_path)
    assert not (tmp_path / "tables" / "latency-old.md").exists()
    assert (tmp_path / "notes.md").read_text() == "mine"
    assert (tmp_path / "index.html").read_text() == "page"


def test_only_observations_make_a_report_and_a_notebook_shows_it_in_a_frame(results: Path) -> None:
    made = gradbench.report(results / "seen")
    assert "Where an update may stand in a training step" in made.page
    assert made.figures == ()
    shown = made._repr_html_()
    assert Elements(shown).tags == ["iframe"]
    assert "Where an update may stand in a training step" in shown


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_a_folder_that_cannot_be_written_is_one_message(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["report", str(tmp_path), "--output", str(tmp_path / output)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("gradbench: cannot write to")
    assert said.count("\n") == 1


def test_nothing_to_report_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "o")]) == 2
    assert "no results below" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("margin", ["much", "-5%", "1e3", ""])
def test_what_is_no_margin_is_one_message(
    margin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path), f"--margin={margin}"]) == 2
    assert (
        capsys.readouterr().err
        == f"gradbench: --margin {margin}: give a share such as 5% or 0.05\n"
    )
    with pytest.raises(BadRequest, match="margin=-1: choose a share"):
        gradbench.report(tmp_path, margin=-1)


def test_the_margin_is_said_wherever_verdicts_are(results: Path, tmp_path: Path) -> None:
    assert main(["report", str(results), "--output", str(tmp_path), "--margin", "7%"]) == 0
    for name in ("recommendations.md", "speedups-Chip_3000-sgd.md"):
        assert "7 %" in (tmp_path / "tables" / name).read_text(), name
    assert "within 5 %" not in (tmp_path / "tables" / "recommendations.md").read_text()
    assert '"margin":"7 %"' in (tmp_path / "index.html").read_text()

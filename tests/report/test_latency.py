"""A block's table: on a GPU, host and device have times of their own."""

from pathlib import Path

from gradbench.report.content import derive
from gradbench.report.gather import gather
from gradbench.report.tables import latency
from tests.report.stored import write_run


def test_host_and_device_time_are_shown_where_they_differ(tmp_path: Path) -> None:
    one = {"models": ("mlp",), "rules": ("sgd",)}
    write_run(tmp_path, "cpu", **one, update_host_s=4e-4)
    gpu = {"device": "cuda", "device_name": "GPU", "update_host_s": 3e-6, "update_device_s": 7e-5}
    write_run(tmp_path, "gpu", **one, **gpu)
    drawn = latency.draw(derive(gather([tmp_path])))
    tables = {table.title.split(" · ")[0]: table.text for table in drawn}
    assert set(tables["GPU"]["host"]) == {"3.0 µs"}
    assert set(tables["GPU"]["device"]) == {"70 µs"}
    assert not {"host", "device"} & set(tables["Chip 3000"])


def test_what_compiling_took_is_shown_where_anything_was_compiled(tmp_path: Path) -> None:
    one = {"models": ("mlp",), "rules": ("sgd",)}
    write_run(tmp_path, "plain", **one)
    for name, seconds in (("first", 4.8), ("later", 0.0)):
        write_run(tmp_path, name, **one, device_name=name, compile_s=seconds)
    drawn = latency.draw(derive(gather([tmp_path])))
    tables = {table.title.split(" · ")[0]: table.text for table in drawn}
    assert set(tables["first"]["compiling"]) == {"4.8 s"}
    assert set(tables["later"]["compiling"]) == {"0 s"}
    assert "compiling" not in tables["Chip 3000"]

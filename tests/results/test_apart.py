"""A machine's processors may lie apart for a whole block, which only another block tells."""

import numpy as np
import pandas as pd

from gradbench.results.apart import apart_lines


def cells(exchange_s: list[float], **columns: object) -> pd.DataFrame:
    base = {"run": "r", "host": "a", "device_name": "cpu", "threads": 2, "rule": "sgd"}
    names = [f"m{number}" for number in range(len(exchange_s))]
    frame = pd.DataFrame({"exchange_s": exchange_s, "model": names, "block": names})
    return frame.assign(**base).assign(**columns)


def test_blocks_with_the_processors_apart_are_named_once_each() -> None:
    frame = cells([8.02e-6, 9e-6, 15.5e-6, 16.5e-6])
    twice = pd.concat([frame, frame.assign(cell="another")])
    assert apart_lines(twice) == [
        "a moved its processors apart for 2 of 4 blocks: their threads took 16 µs to hand over "
        "what they had written, in others 8.02 µs. Together, another strategy may be the fastest: "
        "m2 · sgd, m3 · sgd."
    ]


def test_only_the_same_machine_with_as_many_threads_can_tell() -> None:
    found = cells(
        [30e-6, 10e-6, 10e-6, 10e-6],
        host=["a", "b", "a", "a"],
        threads=[2, 2, 4, 2],
        device_name=["cpu", "cpu", "cpu", "other"],
    )
    assert apart_lines(found) == []


def test_where_it_is_not_known_nothing_is_said() -> None:
    assert apart_lines(cells([np.nan, 8e-6])) == []
    assert apart_lines(cells([8e-6]).drop(columns="exchange_s")) == []


def test_many_blocks_are_not_all_named() -> None:
    [line] = apart_lines(cells([8e-6] + [16e-6] * 10))
    assert line.endswith("m7 · sgd, m8 · sgd and 2 more.")

"""A machine's processors may lie apart for a whole block, which only another block tells."""

import numpy as np
import pandas as pd

from gradbench.results.apart import mark_apart


def cells(**columns: list[object]) -> pd.DataFrame:
    base = {"host": "a", "device_name": "cpu", "threads": 2, "contention": None}
    return pd.DataFrame({**base, **columns})


def test_a_block_whose_threads_exchanged_slowly_all_along_is_contended() -> None:
    found = mark_apart(cells(exchange_s=[10e-6, 14e-6, 27.12e-6]))
    assert found["contention"].isna().tolist() == [True, True, False]
    assert found["contention"][2] == (
        "its processors lay apart: they exchanged data in 27.1 µs, in another block in 10 µs"
    )


def test_only_the_same_machine_with_as_many_threads_can_tell() -> None:
    slow = cells(
        host=["a", "b", "a", "a"],
        threads=[2, 2, 4, 2],
        device_name=["cpu", "cpu", "cpu", "other"],
        exchange_s=[30e-6, 10e-6, 10e-6, 10e-6],
    )
    assert mark_apart(slow)["contention"].isna().all()


def test_what_was_seen_before_is_not_replaced_and_unknown_is_not_slow() -> None:
    busy = cells(contention=["busy", None, None], exchange_s=[30e-6, 10e-6, np.nan])
    assert mark_apart(busy)["contention"].dropna().tolist() == ["busy"]
    old = cells(run=["x"])
    assert mark_apart(old) is old

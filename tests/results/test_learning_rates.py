import json

import pandas as pd

from gradbench.results.learning_rates import with_learning_rates


def test_each_block_has_the_rate_of_its_run_and_none_where_nothing_says_so() -> None:
    keys = [("new", "a"), ("new", "b"), ("old", "a"), ("cut", "a"), ("odd", "a"), ("gone", "a")]
    cells = pd.DataFrame(keys, columns=["run", "block"])
    told = {
        "new": json.dumps({"a": {"rule": {"lr": 6e-7}}, "b": {"rule": {"beta": 1}}}),
        "old": json.dumps({"a": {"rule": {"lr": 0.1}}}),
        "cut": '{"a": {"ru',
        "odd": json.dumps({"a": "x"}),
    }
    runs = pd.DataFrame([{"run": run, "configuration": text} for run, text in told.items()])
    rates = with_learning_rates(cells, runs)["lr"]
    assert list(rates.dropna()) == [6e-7, 0.1]
    assert rates.dropna().index.tolist() == [0, 2]
    assert with_learning_rates(cells, pd.DataFrame())["lr"].isna().all()

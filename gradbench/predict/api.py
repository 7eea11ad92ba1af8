"""``gradbench.predict``."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradbench.errors import BadRequest
from gradbench.results.load import UnreadableResults
from gradbench.statistics.verdicts import MARGIN, check_margin

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from gradbench.predict.evidence import Evidence
    from gradbench.predict.prediction import Ranking


def predict(
    model: Any,
    rule: str = "adamw",
    *,
    results: str | Path | pd.DataFrame = "results",
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    extrapolate: bool = False,
    margin: float = MARGIN,
) -> pd.DataFrame:
    """Predict what updating a model costs with each strategy, from what was measured of others.

    Args:
        model: A module, of which the parameters that require gradients count, or the numbers of
            tensors and of parameters.
        rule: Name of the rule.
        results: ``PATH`` or ``PATH@KEY=VALUE,…`` of stored runs, or rows of ``cells``.
        device: ``cpu`` or ``cuda``; None takes every device that was measured.
        dtype: Floating type; None takes the module's, if it has one, or else all measured.
        threads: Threads of CPU operators; None takes those that most models were measured with.
        extrapolate: Predict outside of the measured range, too.
        margin: Smallest relative difference of two times that matters.

    Returns:
        A row for each strategy, fastest first, for each machine and type: under the circumstances
        (torch, threads, …) that most models were measured in, of as many the latest; ``seconds``
        of an update with its 95 % prediction interval, ``ratio`` to the fastest with its interval,
        ``verdict`` (same, slower or unclear beside the fastest), ``bottleneck``, ``outside``
        (factor by which the model lies beyond what was measured), the fit's figures ``start_s``,
        ``tensor_s`` and ``passes`` with intervals, its ``worst_residual``, ``left_out_error``, the
        median relative error for models left out of the fit, ``needed_bytes`` (parameters,
        gradients and state) and ``memory_bytes`` (the device's). ``attrs["rankings"]`` holds the
        crossovers, and what else was measured. Strategies that were wrong are left out.

    Raises:
        BadRequest: Nothing fits the request, it lies outside of the measured range, or the margin
            is none.
    """
    import pandas as pd

    tensors, parameters, own = count(model)
    found = rankings(
        *(results, tensors, parameters, rule, device, dtype or own, threads),
        extrapolate=extrapolate,
        margin=margin,
    )
    frame = pd.concat([ranking.rows for ranking in found], ignore_index=True)
    frame.attrs["rankings"] = found
    return frame


def count(model: Any) -> tuple[int, int, str | None]:
    """Count what an update of a model writes.

    Args:
        model: A module, or the numbers of tensors and of parameters.

    Returns:
        Tensors, parameters, and the floating type if the model has one.

    Raises:
        BadRequest: It is neither, or has nothing to update.
    """
    if callable(getattr(model, "parameters", None)):
        trained = [p for p in model.parameters() if p.requires_grad]
        types = {str(p.dtype).removeprefix("torch.") for p in trained}
        own = types.pop() if len(types) == 1 else None
        return (*_checked(len(trained), sum(p.numel() for p in trained)), own)
    try:
        tensors, parameters = map(int, model)
    except (TypeError, ValueError):
        raise BadRequest("give a module, or (tensors, parameters)") from None
    return (*_checked(tensors, parameters), None)


def _checked(tensors: int, parameters: int) -> tuple[int, int]:
    if not 1 <= tensors <= parameters:
        raise BadRequest(
            f"{tensors:,} tensors with {parameters:,} parameters: there must be one tensor or "
            "more, and as many parameters or more"
        )
    return tensors, parameters


def rankings(
    results: str | Path | pd.DataFrame,
    tensors: int,
    parameters: int,
    rule: str,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    *,
    extrapolate: bool = False,
    margin: float = MARGIN,
) -> list[Ranking]:
    """Rank strategies for each set of circumstances; arguments as :func:`predict` has them.

    Returns:
        One ranking or more.

    Raises:
        BadRequest: As :func:`predict`.
    """
    import pandas as pd

    from gradbench.predict.evidence import computing_rules, gather_evidence
    from gradbench.predict.fit import LEAST_MODELS
    from gradbench.predict.group import choose
    from gradbench.predict.prediction import describe, memory_words, rank
    from gradbench.results.selection import once_each, select

    check_margin(margin)
    if not isinstance(results, pd.DataFrame):
        cells, left_out = select(results)
    elif results.empty:
        raise BadRequest("results has no rows")
    else:
        cells, left_out = once_each(results), []
    if left_out:
        reasons = "; ".join(map(str, left_out))
        warnings.warn(f"left out: {reasons}", UnreadableResults, stacklevel=3)
    if rule in computing_rules(cells):
        raise BadRequest(
            f"rule={rule} is not predicted: the model of its cost would need the operations of "
            "each shape, and it knows tensors and parameters"
        )
    evidence = gather_evidence(cells)
    if not evidence:
        raise BadRequest(
            "no timed update with its bandwidth control there: measure some models, such as "
            "python -m gradbench +sweep=all"
        )
    asked = {"rule": rule, "device": device, "dtype": dtype, "threads": threads}
    everything = evidence
    for name, value in asked.items():
        evidence = _narrow(evidence, name, value)
    named = "results" if isinstance(results, pd.DataFrame) else str(results)
    found = []
    for chosen, others in choose(evidence):
        if chosen.models < LEAST_MODELS:
            raise BadRequest(_too_few(chosen, everything, named))
        found.append(replace(rank(chosen, tensors, parameters, margin), others=others))
    beyond = [ranking for ranking in found if ranking.outside]
    if beyond and not extrapolate:
        words = "; ".join(beyond[0].outside)
        if beyond[0].fits is False:
            words += f"; and it does not fit there: {memory_words(beyond[0])}"
        raise BadRequest(
            f"outside of what was measured ({describe(beyond[0].evidence)}): {words}. Measure a "
            "model of that size, or add --extrapolate (extrapolate=True) to have it computed "
            "all the same"
        )
    return found


def _too_few(chosen: Evidence, everything: Sequence[Evidence], results: str) -> str:
    """Say that too few models were measured, and of what there are enough."""
    from gradbench.predict.fit import LEAST_MODELS
    from gradbench.predict.group import how_to_ask
    from gradbench.predict.prediction import describe

    models = ", ".join(sorted(set(chosen.measurements["model"])))
    enough = [
        f"{describe(each)} ({how_to_ask(each, chosen, results)})"
        for each in everything
        if each.models >= LEAST_MODELS
    ]
    there = f"; there are enough of {' and '.join(enough)}" if enough else ""
    return (
        f"a prediction needs {LEAST_MODELS} models of {describe(chosen)}, and there is only "
        f"{models}: measure more, such as python -m gradbench +sweep=all "
        f"rule={chosen.circumstances['rule']}{there}"
    )


def _narrow(evidence: Sequence[Evidence], name: str, value: object) -> list[Evidence]:
    if value is None:
        return list(evidence)
    kept = [each for each in evidence if each.circumstances[name] == value]
    if not kept:
        there = sorted({str(_plain(each.circumstances[name])) for each in evidence})
        raise BadRequest(f"{name}={value} was not measured: choose from {', '.join(there)}")
    return kept


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value

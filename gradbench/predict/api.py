"""``gradbench.predict``."""

from __future__ import annotations

import warnings
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
        threads: Threads of CPU operators; None takes all measured.
        extrapolate: Predict outside of the measured range, too.
        margin: Smallest relative difference of two times that matters.

    Returns:
        A row for each strategy, fastest first, for each set of circumstances that was measured:
        device, torch, dtype, threads; ``seconds`` of an update with its 95 % prediction interval,
        ``ratio`` to the fastest with its interval, ``verdict`` (same, slower or unclear beside the
        fastest), ``bottleneck``,
        ``outside`` (factor by which the model lies beyond what was measured), the fit's figures
        ``start_s``, ``tensor_s`` and ``passes`` with intervals, its ``worst_residual``, and
        ``left_out_error``, the median relative error for models left out of the fit.
        ``attrs["rankings"]`` holds the crossovers. Strategies that were wrong are left out.

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
    from gradbench.predict.prediction import describe, rank
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
    for name, value in asked.items():
        evidence = _narrow(evidence, name, value)
    found = [rank(each, tensors, parameters, margin) for each in evidence]
    beyond = [ranking for ranking in found if ranking.outside]
    if beyond and not extrapolate:
        words = "; ".join(beyond[0].outside)
        raise BadRequest(
            f"outside of what was measured ({describe(beyond[0].evidence)}): {words}. Measure a "
            "model of that size, or add --extrapolate (extrapolate=True) to have it computed "
            "all the same"
        )
    return found


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

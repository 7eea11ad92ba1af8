"""The columns of ``cells`` that say what verification found."""

from __future__ import annotations

from gradbench.results.column import FLAG, INT, REAL, TEXT, Column

VERIFICATION = (
    Column(
        "max_ulp_error",
        REAL,
        "ulp",
        "Error of the verified element that came closest to its tolerance, or was farthest beyond.",
    ),
    Column("tolerance_ulps", REAL, "ulp", "Largest error that a right strategy may have there."),
    Column(
        "inner_dtype",
        TEXT,
        "",
        "Narrowest type that the rule computes in, where it is not `dtype`, whose ulps the two "
        "above are in: Muon's bfloat16.",
        added=True,
    ),
    Column(
        "power",
        REAL,
        "",
        "How far from right the nearest mutant of the rule is, in tolerances, with verification's "
        "own hyperparameters: above 4 it would have been called wrong.",
        added=True,
    ),
    Column("nearest_mutant", TEXT, "", "Which mutant that is.", added=True),
    Column(
        "indistinguishable",
        TEXT,
        "",
        "Mutants less than 4 tolerances from right at the block's own hyperparameters, separated "
        "by `; `: in this dtype such a mistake is below the resolution. Empty where there is none.",
        added=True,
    ),
    Column(
        "refuses",
        TEXT,
        "",
        "Situations of real training in which the strategy raises instead of updating, each with "
        "what it says, separated by `; `.",
        added=True,
    ),
    Column(
        "wrong_with",
        TEXT,
        "",
        "Gradients assigned by hand, as autograd does not bring them, with which the strategy is "
        "wrong in silence, separated by `; `.",
        added=True,
    ),
    Column(
        "float32_count",
        FLAG,
        "",
        "Whether the values are those of a step count in float32, found out by verification.",
        added=True,
    ),
    Column(
        "lost_fraction",
        REAL,
        "",
        "Share of the model's elements that a right first update leaves as they are, because it is "
        "below the resolution of the dtype.",
        added=True,
    ),
    Column(
        "update_error",
        REAL,
        "",
        "Of an approximate strategy, the relative error of what its updates add up to, "
        "‖Δ − Δ*‖ / ‖Δ*‖ with Δ* in float64; null for others.",
        added=True,
    ),
    Column(
        "update_error_bound", REAL, "", "What the strategy states that it is at most.", added=True
    ),
    Column(
        "update_bias",
        REAL,
        "",
        "Of an approximate strategy, how much too far its updates go on average, as a share of how "
        "far they should: negative where they fall short.",
        added=True,
    ),
    Column("update_bias_error", REAL, "", "Standard error of `update_bias`.", added=True),
    Column("verified_elements", INT, "", "Elements verified, fewer than `parameters` if cut."),
)

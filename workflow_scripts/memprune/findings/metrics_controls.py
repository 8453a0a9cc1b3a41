"""Every metric against its controls: text that no model has seen, and a model that hardly saw this text."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from memprune.errors import UserError
from memprune.findings.frames import VARIANT
from memprune.findings.intervals import newcombe_interval
from memprune.findings.mean_intervals import welch_intervals
from memprune.findings.metric_changes import changes
from memprune.findings.metric_values import MetricValues, table_of

NON_MEMBERS = ["non_member_items", "non_member_mean"]
EXCESS = ["excess", "excess_ci_low", "excess_ci_high"]
CONTROL = [
    "control_mean", "excess_over_control", "excess_over_control_ci_low", "excess_over_control_ci_high",
    "control_p_value",
]  # fmt: skip


def metrics_controls(metrics: Sequence[MetricValues], controls: Mapping[str, str]) -> pd.DataFrame:
    """Each metric of members against non-members, and of members and tasks against the control model.

    `metrics` are those of one kind of measures; `controls` gives the control of each model that has one.
    Columns: `VARIANT`, of (member, or a task's name), metric, context_length, items, mean;
    non_member_items, non_member_mean, and excess (mean − non_member_mean) with its interval, Newcombe's of
    what is true or false, else Welch's; control_mean (of the dense control on the same items) and
    excess_over_control (mean − control_mean) with its interval and control_p_value, paired as variants are
    with the dense model. Null is what there is no non-member or control for. Raises UserError where a control
    was not measured on the same items.
    """
    found = {(str(one.variants.model[0]), one.of, one.metric): one for one in metrics}
    shown = [one for one in metrics if one.of != "non_member"]
    columns = []
    for own in shown:
        model = str(own.variants.model[0])
        others = found.get((model, "non_member", own.metric)) if own.of == "member" else None
        control = found.get((controls.get(model), own.of, own.metric))
        excess = against_non_members(own, others) if others else unknown(own, NON_MEMBERS + EXCESS)
        over_control = against_control(own, control) if control else unknown(own, CONTROL)
        columns.append({"mean": own.means(), **excess, **over_control})
    table = table_of(shown, [one.variants for one in shown], columns)
    return table.sort_values([*VARIANT], kind="stable").astype({"non_member_items": "Int64"})


def against_non_members(members: MetricValues, others: MetricValues) -> dict[str, np.ndarray]:
    """The columns of non-members, and how much larger the mean of members is."""
    means = others.means()
    if members.is_true_or_false and others.is_true_or_false:
        sides = [(one.matrix.sum(axis=1), len(one.items)) for one in (members, others)]
        counts = [np.broadcast_to(value, len(means)) for side in sides for value in side]
        interval = newcombe_interval(*counts)
    else:
        interval = welch_intervals(members.matrix, others.matrix)
    with np.errstate(invalid="ignore"):
        excess = members.means() - means
    items = np.full(len(means), len(others.items))
    return dict(zip((*NON_MEMBERS, *EXCESS), (items, means, excess, *interval), strict=True))


def against_control(own: MetricValues, control: MetricValues) -> dict[str, np.ndarray]:
    """The columns of the control, and how much larger the variants' means are."""
    if not np.array_equal(own.items, control.items):
        names = own.variants.model[0], control.variants.model[0]
        raise UserError(
            f"measures of {names[1]}: found {own.metric} of other items of {own.of} than of {names[0]}, "
            "whose control it is, allowed: the same; delete its measures and run again"
        )
    dense = (control.variants.strategy == "dense").to_numpy()
    values = np.concatenate([control.matrix[dense], own.matrix])
    variants = np.arange(1, len(values))
    is_true_or_false = own.is_true_or_false and control.is_true_or_false
    tested = changes(values, is_true_or_false, np.zeros_like(variants), variants)
    mean = np.full(len(variants), values[0].mean())
    return dict(zip(CONTROL, (mean, *tested.values()), strict=True))


def unknown(metric: MetricValues, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of which nothing is known."""
    return dict.fromkeys(names, np.full(len(metric.variants), np.nan))

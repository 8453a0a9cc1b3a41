"""lm-evaluation-harness without code of others: what a task's file says is no program.

The library fills templates with a jinja2 that lets them reach all of Python, and looks a metric that it does
not have up in `evaluate`, which runs the script of that name from the Hub or a local folder.
"""

from collections.abc import Callable, Mapping

import lm_eval.api.metrics  # noqa: F401 -- registers the library's metrics
from jinja2.sandbox import SandboxedEnvironment
from lm_eval import utils
from lm_eval.api import task
from lm_eval.api.registry import metric_registry


def forbid_code() -> None:
    """Have this process fill templates in jinja2's sandbox, and know no metrics but the library's own."""
    sandbox = SandboxedEnvironment(
        loader=utils.env.loader,
        undefined=utils.env.undefined,
        keep_trailing_newline=utils.env.keep_trailing_newline,
    )
    sandbox.filters = utils.env.filters
    utils.env = sandbox
    task.get_metric = own_metric


def own_metric(name: str, hf_evaluate_metric: bool = False) -> Callable | None:
    """What computes a metric of the library; None for any other, as the library does for one not found."""
    return metric_registry.get(name) if name in metric_registry else None


def unknown_metrics(config: Mapping) -> list[str]:
    """The metrics that a task names and the library does not have."""
    named = [asked["metric"] for asked in config.get("metric_list") or ()]
    return [name for name in named if name not in metric_registry]

"""What lm-evaluation-harness makes of a variant's log-likelihoods, item by item.

Its own task, built anew from the prepared items without their data set, processes the results of each item,
so that a metric is the library's. A metric that is a number for an item is a column; others (a pair of label
and guess, say) have a meaning over all items only, and are left out.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from numbers import Real
from operator import itemgetter
from pathlib import Path

import lm_eval
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from lm_eval.api.metrics import mean, perplexity
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

from memprune.corpus.task_code import forbid_code
from memprune.disk import readable
from memprune.metrics.measure import write_measures
from memprune.metrics.score_files import EVIDENCE, read, with_achieved

FOLDER = Path(lm_eval.__file__).parent / "tasks"
SPLIT = "items"
# What only finds and prepares items, which is done.
PREPARING = (
    "process_docs", "dataset_kwargs", "training_split", "validation_split", "fewshot_split", "fewshot_config",
    "num_fewshot", "metadata", "tag", "task_list", "include", "group",
)  # fmt: skip
Answers = list[tuple[float, bool]]  # an item's, by request: log-likelihood in nats, whether greedy


def measure_items(scores: Path, texts: Sequence[Path], output: Path) -> None:
    """Write the measures of a score file of tasks: what identifies an item, and a column a metric.

    `texts` are the prepared tasks that were scored, in their order. Metrics are float64, null where a task
    lacks one. A column's metadata says which values are `better`, higher or lower. Raises UserError when a
    file is damaged.
    """
    with readable(scores):
        table, _ = read(scores)
        evidence = {name: table[name].combine_chunks() for name in EVIDENCE}
        answers = dict(answers_of(table))
    measured, directions = [], []
    for path in texts:
        with readable(path):
            prepared = pq.read_table(path)
            about = json.loads(prepared.schema.metadata[b"task"])
            docs = [json.loads(doc) for doc in prepared["doc"].drop_null().to_pylist()]
            name = prepared["task"][0].as_py()
        task = task_of(about["definition"], docs)
        own = [answers[name, item] for item in items_of(prepared)]
        measured += [numbers(task.process_results(*pair)) for pair in zip(docs, own, strict=True)]
        directions.append(better_of(task))
    first = pa.array(np.flatnonzero(table["request"].to_numpy() == 0))
    described = with_achieved(table.drop_columns(["request", "tokens", *EVIDENCE])).take(first)
    for metric in dict.fromkeys(metric for values in measured for metric in values):
        column = pa.array([values.get(metric) for values in measured], pa.float64())
        ways = {better[metric] for better in directions if metric in better}
        about = {"better": ways.pop()} if len(ways) == 1 else None
        described = described.append_column(pa.field(metric, pa.float64(), metadata=about), column)
    write_measures(described, [lists.flatten().to_numpy() for lists in evidence.values()], output)


def answers_of(table: pa.Table) -> Iterator[tuple[tuple[str, int], Answers]]:
    """The answers to each task's items, by task and item, from their rows in order."""
    names = ("task", "item", "log_probability", "rank")
    rows = zip(*(table[name].to_pylist() for name in names), strict=True)
    for key, requests in groupby(rows, itemgetter(0, 1)):
        yield key, [(sum(own), not any(ranks)) for _, _, own, ranks in requests]


def items_of(prepared: pa.Table) -> list[int]:
    """A task's items in their order."""
    return list(dict.fromkeys(prepared["item"].to_pylist()))


def task_of(definition: Mapping, docs: Sequence[dict]) -> ConfigurableTask:
    """The library's task, with the first of the prepared items for a data set: it looks at that alone."""
    forbid_code()
    config = definition.get("config") or load_yaml(FOLDER / definition["yaml"])
    kept = {key: value for key, value in config.items() if key not in PREPARING}
    data = {SPLIT: Dataset.from_list(docs[:1])}
    return ConfigurableTask(config={**kept, "test_split": SPLIT, "custom_dataset": lambda: data})


def numbers(metrics: Mapping) -> dict[str, float]:
    """The metrics that are numbers."""
    return {name: float(value) for name, value in metrics.items() if isinstance(value, Real | np.bool_)}


def better_of(task: ConfigurableTask) -> dict[str, str]:
    """Which values of an item are better, higher or lower, by metric, where the metric is their mean.

    The library's `perplexity` has an item's log-likelihood for its value, of which higher is better.
    """
    higher = task.higher_is_better()
    means = {name: higher[name] for name, way in task.aggregation().items() if way is mean and name in higher}
    logs = {name: True for name, way in task.aggregation().items() if way is perplexity}
    return {name: "higher" if better else "lower" for name, better in (means | logs).items()}

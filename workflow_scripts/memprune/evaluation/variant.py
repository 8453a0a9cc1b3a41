"""A variant as its files give it, and the tasks that are made from them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from memprune.corpus.drawn import read_drawn, read_sample_length
from memprune.devices.choice import fast_type
from memprune.errors import UserError
from memprune.evaluation.fit import check_ids, check_positions, check_tokenizer
from memprune.evaluation.tasks import IDENTIFYING, WINDOW, Task, memorization_tasks, perplexity_task
from memprune.models.manifest import Manifest
from memprune.models.model_files import CONFIG
from memprune.models.outline import Outline
from memprune.store import entries, source_code
from memprune.variants.changes import change_digest

ABOUT = ("tokenizer",)  # what samples and windows must tell of themselves
SCREENING = "memprune.evaluation.screening"


@dataclass(frozen=True)
class Variant:
    """Which variant is scored on what, and how: files, and the settings of `evaluation` in `spec`.

    `changes` is its chain, none for the dense model; `samples` and `windows` are None where they are not
    scored; `texts` are files of other texts (see `memprune.evaluation.texts`).
    """

    name: str
    manifest: Manifest
    changes: Sequence[Path]
    samples: Path | None
    windows: Path | None
    spec: Mapping
    texts: Sequence[Path] = ()

    @property
    def sample_length(self) -> int:
        """Tokens of each sample; 0 without samples."""
        if self.samples is None:
            return 0
        return read_sample_length(self.samples)

    @property
    def longest_window(self) -> int:
        """Tokens of the longest perplexity window or other text, its context included; 0 without any."""
        files = [*self.texts, self.windows] if self.windows else self.texts
        tables = [read_drawn(path) for path in files]
        return max((pc.max(pc.list_value_length(table["tokens"])).as_py() for table in tables), default=0)


def variant_tasks(
    variant: Variant, device: str, score_suffixes: Callable, score_windows: Callable
) -> list[Task]:
    """The tasks of a variant: memorization by context length, split and seed, then perplexity.

    `device` is the class of device that scores are for, `cpu` or `cuda`; the two functions are called when a
    shard is scored (see `memorization_tasks` and `perplexity_task`). Raises UserError when samples do not fit
    the model, and for a damaged file.
    """
    for path in filter(None, (*variant.changes, variant.samples, variant.windows)):
        entries.content(path)  # verified before it is read
    samples, windows = (
        read_drawn(variant.samples, IDENTIFYING, ABOUT),
        read_drawn(variant.windows, WINDOW, ABOUT),
    )
    check_fit(variant, samples)
    spec, determinants = variant.spec, determinants_of(variant, device)
    if fast := fast_type(spec.get("screened_in"), device):
        of_suffixes = determinants_of(variant, device, SCREENING) | {"screened_in": fast}
    else:
        of_suffixes = determinants
    tasks = memorization_tasks(
        samples, spec["context_lengths"], spec["suffix"], spec["anchor"], of_suffixes, score_suffixes
    )
    return [*tasks, perplexity_task(windows, determinants, score_windows)]


def windows_task(variant: Variant, device: str, score_windows: Callable) -> Task:
    """The last task of a variant alone, its perplexity; see `variant_tasks`."""
    windows = read_drawn(variant.windows, WINDOW, ABOUT)
    check_fit(variant, windows)
    return perplexity_task(windows, determinants_of(variant, device), score_windows)


def check_fit(variant: Variant, drawn: pa.Table) -> None:
    """Raise UserError when what was drawn, samples or windows, does not fit the model."""
    check_tokenizer(drawn.schema.metadata[b"tokenizer"].decode(), variant.manifest.tokenizer)
    check_ids(drawn, variant.manifest.vocabulary)
    positions = variant.manifest.architecture.positions
    if positions is not None:
        check_positions(variant.sample_length, variant.longest_window - 1, positions)


def determinants_of(variant: Variant, device: str, *modules: str) -> dict:
    """All that a shard's evidence depends on beside its rows: the code that computes numbers, not that which
    places them on a device; a batch's size, which products round by; not where weights lie meanwhile.

    The code is that of the forced pass and of other `modules`.
    """
    manifest, spec = variant.manifest, variant.spec
    computing, by_transformers = "memprune.scoring.variant_model", {}
    if isinstance(manifest.architecture, Outline):
        computing = "memprune.scoring.transformers_pass"
        by_transformers = {"transformers": version("transformers"), "config": manifest.hashes[CONFIG]}
    return {
        "source": source_code.digest("memprune.scoring.forced_pass", computing, *modules),
        **by_transformers,
        "weights": manifest.fingerprint,
        "architecture": asdict(manifest.architecture),
        "changes": [change_digest(change) for change in variant.changes],
        "dtype": spec["dtype"],
        "batch_tokens": spec["batch_tokens"],
        "device": device,
        "torch": version("torch"),
    }


@contextmanager
def variant_named(model: str, variant: str) -> Iterator[None]:
    """Name the model and the variant in a UserError."""
    try:
        yield
    except UserError as error:
        raise UserError(f"models.{model}, variant {variant}: {error}") from None

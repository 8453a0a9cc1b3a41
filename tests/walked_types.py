"""What becomes of a tiny model of each type that transformers has: python tests/walked_types.py writes it
into docs/models.md.

Its log-probabilities, dense and after a mask, are held against those of transformers; what is refused is
refused in one line.
"""

import sys
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tiny_models import log_probabilities, tiny_tokenizer, write_mask_of
from tiny_types import tiny_config
from transformers import AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from memprune.errors import UserError
from memprune.methods.selection import Selection
from memprune.models.families import FAMILIES
from memprune.models.manifest import Manifest
from memprune.models.resolve_model import resolve_model
from memprune.models.role_names import STACKED
from memprune.models.roles import MATRIX_GROUPS
from memprune.scoring.transformers_pass import load_through_transformers
from memprune.scoring.variant_model import load_variant
from memprune.variants.masks import read_mask

TYPES = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
TOKENS, TEXTS = 24, 3
LARGEST = 2 * 10**7  # parameters: what is larger was not made small
DECODER, TRANSFORMERS, WITH_ROLES = "decoder", "transformers", "with roles"
REFUSED, NOT_BUILT = "refused", "not built"
MAGNITUDE = Selection(MATRIX_GROUPS["all"], "all", allocation="matrix", criterion="magnitude")


@dataclass(frozen=True)
class Outcome:
    """The way by which a type is computed, and how far from transformers; or why it is not."""

    way: str
    note: str = ""
    deviation: float = 0.0  # largest, of log-probabilities in nats


@cache
def outcome(model_type: str) -> Outcome:
    """What becomes of a tiny model of a type."""
    torch.manual_seed(0)
    texts = np.random.default_rng(0).integers(1, 200, (TEXTS, TOKENS)).astype(np.int32)
    with TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(place, "model")
        try:
            save_tiny(model_type, folder, texts)
        except Exception as error:  # whatever transformers raises: it has no such model from its defaults
            return Outcome(NOT_BUILT, f"{type(error).__name__}: {' '.join(str(error).split())[:90]}")
        try:
            return compared(model_type, folder, texts)
        except UserError as error:
            return Outcome(REFUSED, str(error).replace(f"{folder}: ", "").removeprefix("models.tiny: "))


def save_tiny(model_type: str, folder: Path, texts: np.ndarray) -> None:
    """Save a tiny model with a tokenizer; raises what transformers raises, and ValueError for a large one."""
    config = tiny_config(model_type)
    with torch.device("meta"):
        parameters = sum(own.numel() for own in AutoModelForCausalLM.from_config(config).parameters())
    if parameters > LARGEST:
        raise ValueError(f"{parameters} parameters")
    model = AutoModelForCausalLM.from_config(config).eval()
    reference(model, texts)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def compared(model_type: str, folder: Path, texts: np.ndarray) -> Outcome:
    """How far the log-probabilities of a model in a folder are from those of transformers."""
    manifest, named = described(folder)
    load = load_variant if model_type in FAMILIES else load_through_transformers
    mask, cpu = folder.parent / "mask.safetensors", torch.device("cpu")
    dense = load(manifest, (), torch.float32, cpu)
    deviation = abs(log_probabilities(dense, texts) - reference(loaded(folder), texts)).max()
    write_mask_of(manifest, MAGNITUDE, 0.5, mask)
    pruned = log_probabilities(load(manifest, (mask,), torch.float32, cpu), texts)
    prune_files(folder, mask)
    deviation = max(deviation, abs(pruned - reference(loaded(folder), texts)).max())
    way = DECODER if model_type in FAMILIES else WITH_ROLES if named else TRANSFORMERS
    return Outcome(way, named, float(deviation))


def described(folder: Path) -> tuple[Manifest, str]:
    """The manifest of a folder, and the names of matrices whose roles had to be given."""
    try:
        return resolve_model("tiny", folder), ""
    except UserError as error:
        names = str(error).partition("roles: found no role for ")[2]
        if not names:
            raise
        names, _, rest = names.partition(";")
        _, _, stacked = rest.partition("(")
        roles = {name: None if name in stacked and STACKED in stacked else "up" for name in names.split(", ")}
        return resolve_model("tiny", folder, roles), names


def loaded(folder: Path) -> torch.nn.Module:
    """The model in a folder as transformers loads it."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()


def reference(model: torch.nn.Module, texts: np.ndarray) -> np.ndarray:
    """The log-probabilities of all tokens but the first, by transformers and torch alone."""
    ids = torch.from_numpy(texts.astype(np.int64))
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1].float()
    return logits.log_softmax(2).gather(2, ids[:, 1:, None]).squeeze(2).numpy()


def prune_files(folder: Path, mask: Path) -> None:
    """Set the weights that a mask removes to zero, in the files."""
    kept = read_mask(mask)
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        for name in tensors.keys() & kept.keys():
            tensors[name] = tensors[name].masked_fill(torch.from_numpy(~kept[name]), 0)
        save_file(tensors, file, metadata={"format": "pt"})


def section() -> str:
    """What docs/models.md says of all types."""
    found = {model_type: outcome(model_type) for model_type in TYPES}

    def of(way: str) -> list[str]:
        return [model_type for model_type, own in found.items() if own.way == way]

    def rows(way: str) -> list[str]:
        return [f"| `{model_type}` | {found[model_type].note} |" for model_type in of(way)]

    def names(way: str) -> str:
        return ", ".join(f"`{model_type}`" for model_type in of(way))

    return "\n".join(
        [
            f"By the decoder of ours ({len(of(DECODER))}): {names(DECODER)}.\n",
            f"Through transformers ({len(of(TRANSFORMERS))}): {names(TRANSFORMERS)}.\n",
            f"Through transformers, with roles to be named ({len(of(WITH_ROLES))}):\n",
            "| `model_type` | matrices that have no known role |\n| --- | --- |",
            *rows(WITH_ROLES),
            f"\nRefused ({len(of(REFUSED))}):\n",
            "| `model_type` | what is said |\n| --- | --- |",
            *rows(REFUSED),
            f"\nNot tested, since transformers builds no small model from the type's defaults "
            f"({len(of(NOT_BUILT))}): {names(NOT_BUILT)}.",
        ]
    )


BEGIN, END = "<!-- types: begin -->\n", "\n<!-- types: end -->"
PAGE = Path(__file__).parents[1] / "docs/models.md"


def main() -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + section() + END + rest.partition(END)[2])


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))
    main()

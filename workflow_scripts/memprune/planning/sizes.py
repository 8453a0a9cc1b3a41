"""How large a model is, known before its files are here: from its folder, the Hub's cache, or by its name."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from memprune.config.experiment import Config, Model
from memprune.errors import UserError
from memprune.models.architecture import Architecture
from memprune.models.checkpoint import describe, is_known
from memprune.models.families import FAMILIES
from memprune.models.model_config import read_architecture
from memprune.models.model_files import read_config, read_json, weight_files
from memprune.models.outline import Outline
from memprune.models.shapes import HEAD, matrix_shapes, shapes_of
from memprune.models.weights import BYTES

# Pythia's hidden size, layers, heads and rows of the embedding (EleutherAI's configurations; Biderman et al.
# 2023, table 1). The deduplicated models have the same.
PYTHIA = {
    "14m": (128, 6, 4, 50304),
    "31m": (256, 6, 8, 50304),
    "70m": (512, 6, 8, 50304),
    "160m": (768, 12, 12, 50304),
    "410m": (1024, 24, 16, 50304),
    "1b": (2048, 16, 8, 50304),
    "1.4b": (2048, 24, 16, 50304),
    "2.8b": (2560, 32, 32, 50304),
    "6.9b": (4096, 32, 32, 50432),
    "12b": (5120, 36, 40, 50688),
}
PYTHIA_REPO = re.compile(r"EleutherAI/pythia-([\d.]+[mb])(?:-deduped)?(?:-v0)?")
# What config.json says of the other models of shipped configurations (transformers' GPTNeoConfig; Hubble's
# configs/hubble_1b).
SHIPPED = {
    r"EleutherAI/gpt-neo-1\.3B": {
        "model_type": "gpt_neo",
        "hidden_size": 2048,
        "num_layers": 24,
        "num_heads": 16,
        "attention_types": [[["global", "local"], 12]],
        "window_size": 256,
        "max_position_embeddings": 2048,
        "vocab_size": 50257,
        "torch_dtype": "float32",
    },
    r"allegrolab/hubble-1b-\d+b_toks-(standard|perturbed)-hf": {
        "model_type": "llama",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 2048,
        "vocab_size": 50304,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    },
}

LARGEST = "EleutherAI/pythia-12b"


@dataclass(frozen=True)
class ModelSize:
    """The sizes of a model: its decoder, and the bytes of its files."""

    architecture: Architecture | Outline
    file_bytes: int

    @property
    def vocabulary(self) -> int:
        """Rows of the embedding and of the head."""
        return self.architecture.vocabulary

    @property
    def roles(self) -> dict[str, int]:
        """Weights of each of one block's matrices, by role; all can be pruned."""
        return {role: math.prod(shape) for role, shape in matrix_shapes(self.architecture).items()}

    @property
    def layer_weights(self) -> int:
        """Weights of one block's matrices."""
        return sum(self.roles.values())

    @property
    def weights(self) -> int:
        """Weights of the whole model, but for norms and biases (less than 0.1 % in models of any size)."""
        a = self.architecture
        if isinstance(a, Outline):
            return a.parameters
        around = sum(
            math.prod(shape)
            for part, shape in shapes_of(a).items()
            if part.layer is None and len(shape) == 2 and not (part == HEAD and a.tied)
        )
        return a.layers * self.layer_weights + around


def size_of(model: Model) -> ModelSize:
    """The size of a configured model, without network.

    Raises UserError for a repository of the Hub that is neither in its cache nor known by name, and for a
    configuration or files that cannot be used.
    """
    if model.path is not None:
        config = read_config(model.path)
        known = is_known(config)
        architecture = read_architecture(config) if known else describe(model.path, model.roles).architecture
        return ModelSize(architecture, sum(path.stat().st_size for path in weight_files(model.path)))
    config = cached_config(model) or known_config(model.repo)
    if config is None:
        raise UserError(
            f"{model.repo}, revision {model.revision}: its size is not known; "
            f"fetch its configuration: hf download {model.repo} config.json --revision {model.revision}"
        )
    if not is_known(config):
        raise UserError(
            f"{model.repo}: its size is not known before it is fetched, since transformers computes it"
        )
    architecture = read_architecture(config)
    return ModelSize(architecture, expected_file_bytes(architecture, config))


def assumed_sizes(config: Config) -> dict[str, ModelSize]:
    """The sizes of all models; one whose size is not known is taken for the largest Pythia."""
    return {name: assumed_size(model) for name, model in config.models.items()}


def assumed_size(model: Model) -> ModelSize:
    """The size of a configured model, or that of the largest Pythia."""
    try:
        return size_of(model)
    except UserError:
        return size_of(Model(repo=LARGEST))


def cached_config(model: Model) -> dict | None:
    """A repository's config.json where the Hub's cache has it; raises UserError for a broken one."""
    from huggingface_hub import try_to_load_from_cache

    try:
        path = try_to_load_from_cache(model.repo, "config.json", revision=model.revision)
    except ValueError as error:  # of a name that no repository has
        raise UserError(f"repo: found {model.repo!r}, allowed: a repository's name ({error})") from None
    return read_json(Path(path)) if isinstance(path, str) else None


def known_config(repo: str) -> dict | None:
    """The sizes of a model of a shipped configuration, as its config.json has them; None for any other."""
    name = PYTHIA_REPO.fullmatch(repo)
    if name is None or name[1] not in PYTHIA:
        return next((config for form, config in SHIPPED.items() if re.fullmatch(form, repo)), None)
    hidden, layers, heads, vocabulary = PYTHIA[name[1]]
    return {
        "model_type": "gpt_neox",
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": 2048,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
    }


def expected_file_bytes(architecture: Architecture, config: dict) -> int:
    """The bytes of a model's safetensors; those of some families hold each layer's causal mask, in bytes."""
    a, dtype = architecture, str(config.get("torch_dtype") or config.get("dtype"))
    masks = a.layers * a.positions**2 if FAMILIES[a.family].causal_masks else 0
    return ModelSize(a, 0).weights * BYTES.get(dtype, BYTES["float32"]) + masks

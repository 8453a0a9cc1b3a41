"""A model of one matrix, described by hand, and a change of each kind that fits it."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from memprune.models.architecture import Architecture, Rotary
from memprune.models.manifest import Manifest, Matrix
from memprune.variants.changes import About

MATRIX = Matrix("w", "model.safetensors", 0, "up", (3, 5))
ROTARY = Rotary(8, 4, 10000.0, {"rope_type": "default"}, rounded=True)
SIZES = dict.fromkeys(
    ("vocabulary", "layers", "hidden", "intermediate", "heads", "key_heads", "head_size"), 8
)
ARCHITECTURE = Architecture(
    family="gpt_neox", **SIZES, positions=8, embedding_width=8, scaled_embedding=False, norm="layer",
    epsilon=1e-5, norm_first=True, final_norm=True, norm_weights=True, block_norms=[], attention_bias=True,
    output_bias=True, mlp_bias=True, head_bias=False, parallel=True, activation="gelu",
    attention_scale=None, clip=None, alibi=None, attention_cap=None, logit_cap=None, rotary=ROTARY,
    local_rotary=None, windows=[None] * 8, tied=False,
)  # fmt: skip


def manifest_in(folder: Path) -> Manifest:
    """The manifest of a model of one matrix, whose weights are written into a folder."""
    save_file({"w": np.arange(15, dtype=np.float32).reshape(3, 5)}, folder / "model.safetensors")
    return Manifest(
        files=["model.safetensors"], dtype="float32", tensor_bytes=60, architecture=ARCHITECTURE,
        matrices=[MATRIX], model="m", folder=str(folder), hashes={"model.safetensors": "0"},
        fingerprint="f" * 64, tokenizer="t",
    )  # fmt: skip


def about(kind: str, **changed) -> About:
    """What a change of a kind tells of itself."""
    own = {
        "mask": {"remaining": {"w": 12}, "details": {"kept": {"w": 12}}},
        "values": {"remaining": {"w": 15}},
        "codes": {"remaining": {"w": 15}, "details": {"bits": 2, "group": 4, "axis": 1}},
        "factors": {"remaining": {"w": 16}},
    }[kind]
    plain = {"settings": {}, "level": 0.2, "fingerprint": "f" * 64, "shapes": {"w": (3, 5)}}
    return About(kind, **(plain | own | changed))


TENSORS = {
    "mask": {"w": np.array([0xF8, 0x7F], np.uint8)},
    "values": {"w": np.arange(15, dtype=np.uint32)},
    "codes": {"w.codes": np.zeros((2, 2), np.uint8), "w.scales": np.ones((3, 2), np.float32).view(np.uint32)},
    "factors": {"w.left": np.zeros((3, 2), np.uint32), "w.right": np.zeros((2, 5), np.uint32)},
}

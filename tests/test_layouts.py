"""The layouts of a model's files that people bring: transformers' log-probabilities, or one line.

Sharded, renamed, tied or not, with other files beside them, with tensors too few, too many or reshaped.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from conftest import EVERY_FAMILY
from hypothesis import given
from hypothesis import strategies as st
from random_models import (
    GATE,
    HEAD,
    SMALL,
    VOCABULARY,
    booleans,
    check_against_transformers,
    random_weights,
    save,
    some,
    write_folder,
)

OF_GPT, OF_BLOOM = ("gpt2", "gpt_neo", "gptj"), ("bloom", "falcon")
BASE = {"gpt_neox": "gpt_neox."} | dict.fromkeys(OF_GPT + OF_BLOOM, "transformer.")
BASE = {family: BASE.get(family, "model.") for family in EVERY_FAMILY}
EMBEDDING = {"gpt_neox": "gpt_neox.embed_in.weight", "opt": "model.decoder.embed_tokens.weight"}
EMBEDDING |= dict.fromkeys(OF_GPT, "transformer.wte.weight")
EMBEDDING |= dict.fromkeys(OF_BLOOM, "transformer.word_embeddings.weight")
EMBEDDING = {family: EMBEDDING.get(family, "model.embed_tokens.weight") for family in EVERY_FAMILY}


@st.composite
def layouts(draw, family: str, names: list[str]) -> list[tuple]:
    """How a folder is laid out otherwise than transformers would: changes in order, by name of a function."""
    tensor = some(names)
    changes = {
        "one_base_less": st.none(),
        "one_base_more": st.none(),
        "wrapped": some(["module.", "_orig_mod.", "base_model.model."]),
        "old_head": st.none(),
        "own_head": some(["same", "another", "of a tied embedding that lacks"]),
        "head_bias": st.none(),
        "buffers": st.none(),
        "norms_in_float32": st.none(),
        "lacking": tensor,
        "reshaped": tensor,
        "renamed": tensor,
        "another_dtype": tensor,
        "layer_beyond": st.none(),
        "bias_beyond": tensor,
        "twice": tensor,
        "value_head": st.none(),
    }
    chosen = draw(st.lists(some(sorted(changes)), max_size=3, unique=True))
    return [(name, draw(changes[name])) for name in sorted(chosen, key=list(changes).index)]


# What only another layout of the same model is, and must be read.
VALID = {"one_base_less", "one_base_more", "old_head", "own_head", "buffers", "norms_in_float32"}


def one_base_less(weights, family, _):
    return {name.removeprefix(BASE[family]): values for name, values in weights.items()}


def one_base_more(weights, family, _):
    return {BASE[family] + name: values for name, values in weights.items()}


def wrapped(weights, family, prefix):
    return {prefix + name: values for name, values in weights.items()}


def old_head(weights, family, _):
    return {("embed_out.weight" if name == HEAD else name): values for name, values in weights.items()}


def own_head(weights, family, which):
    embedding = weights[EMBEDDING[family]]
    rest = {name: values for name, values in weights.items() if name != EMBEDDING[family]}
    if which == "of a tied embedding that lacks":
        return rest | {HEAD: embedding}
    return weights | {HEAD: embedding.clone() if which == "same" else embedding.flip(0)}


def head_bias(weights, family, _):
    return weights | {"lm_head.bias": torch.ones(VOCABULARY)}


def buffers(weights, family, _):
    block = {"gpt_neox": "gpt_neox.layers.0.attention", "gpt2": "h.0.attn"}.get(
        family, "model.layers.0.self_attn"
    )
    masks = {
        f"{block}.bias": torch.ones(1, 1, 4, 4, dtype=torch.bool),
        f"{block}.masked_bias": torch.tensor(-1e9),
    }
    return (
        weights
        | (masks if family in ("gpt_neox", "gpt2") else {})
        | {f"{block}.rotary_emb.inv_freq": torch.ones(2)}
    )


def norms_in_float32(weights, family, _):
    return {name: (v.float() if "norm" in name or "ln_" in name else v) for name, v in weights.items()}


def lacking(weights, family, tensor):
    return {name: values for name, values in weights.items() if name != tensor}


def reshaped(weights, family, tensor):
    return weights | {tensor: weights[tensor][:-1]}


def renamed(weights, family, tensor):
    return lacking(weights, family, tensor) | {tensor.replace(".", ".extra.", 1): weights[tensor]}


def another_dtype(weights, family, tensor):
    return weights | {tensor: weights[tensor].double()}


def layer_beyond(weights, family, _):
    more = {name.replace(".0.", ".9."): values.clone() for name, values in weights.items() if ".0." in name}
    return weights | more


def bias_beyond(weights, family, tensor):
    return {tensor.replace("weight", "bias"): torch.ones(len(weights[tensor]))} | weights


def twice(weights, family, tensor):
    other = tensor.removeprefix(BASE[family]) if tensor.startswith(BASE[family]) else BASE[family] + tensor
    return weights | {other: weights[tensor] + 1}


def value_head(weights, family, _):
    return weights | {"score.weight": torch.ones(2, 2), "v_head.summary.weight": torch.ones(1, 2)}


CHANGES = {
    "one_base_less": one_base_less,
    "one_base_more": one_base_more,
    "wrapped": wrapped,
    "old_head": old_head,
    "own_head": own_head,
    "head_bias": head_bias,
    "buffers": buffers,
    "norms_in_float32": norms_in_float32,
    "lacking": lacking,
    "reshaped": reshaped,
    "renamed": renamed,
    "another_dtype": another_dtype,
    "layer_beyond": layer_beyond,
    "bias_beyond": bias_beyond,
    "twice": twice,
    "value_head": value_head,
}
STRAY = [
    "adapter_model.safetensors",
    "backup.safetensors",
    "model-00001-of-00007.safetensors",
    "z.safetensors",
]


def check_layout(data: st.DataObject, family: str) -> None:
    """A small model in a drawn layout of files, with others beside it that nothing names."""
    config = SMALL[family] | data.draw(
        some([{}, {"tie_word_embeddings": True}, {"tie_word_embeddings": False}])
    )
    weights = random_weights(config, seed=0)
    dtype = data.draw(some([torch.float32, torch.float16, torch.bfloat16]))
    weights = {name: values.to(dtype) for name, values in weights.items()}
    changes = data.draw(layouts(family, list(weights)))
    for name, detail in changes:
        with suppress(KeyError):  # an earlier change has taken what this one is about
            weights = CHANGES[name](weights, family, detail)
    shards, stray = data.draw(st.integers(1, 3)), data.draw(st.lists(some(STRAY), max_size=2, unique=True))
    names = {name for name, _ in changes}
    # The old name of a head stands alone; two bases more are no layout.
    supported = names <= VALID and len(names & {"one_base_less", "one_base_more", "old_head", "own_head"}) < 2
    with TemporaryDirectory() as folder:
        write_folder(Path(folder), config, weights, shards)
        for file in stray:
            save({name: values + 1 for name, values in weights.items()}, Path(folder) / file)
        if data.draw(booleans):
            shutil.copy(next(Path(folder).glob("*.safetensors")), Path(folder) / "model.safetensors.backup")
        check_against_transformers(Path(folder), supported)


@pytest.mark.parametrize("family", EVERY_FAMILY)
@GATE
@given(data=st.data())
def test_every_layout(family, data):
    check_layout(data, family)

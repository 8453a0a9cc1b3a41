"""Calibration texts through a model layer by layer, against what transformers' layers hand on."""

from tempfile import TemporaryFile
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from tiny_models import manifest_of, tiny_model
from transformers import AutoModelForCausalLM

from memprune.errors import UserError
from memprune.methods import layerwise
from memprune.methods.layerwise import States, read_texts, with_tensors
from memprune.scoring.variant_model import find_source, read_layer

CPU = torch.device("cpu")
TOKENS = np.random.default_rng(1).integers(0, 250, (5, 40))


@pytest.fixture
def file():
    with TemporaryFile() as opened:
        yield opened


def states_of(states: States) -> torch.Tensor:
    return states.read(slice(0, states.texts))


@pytest.mark.parametrize("batch_tokens", [1, 80, 1000])
def test_states_are_those_of_transformers(family, batch_tokens, monkeypatch, file, tmp_path):
    monkeypatch.setattr(layerwise, "BATCH_TOKENS", batch_tokens)
    folder = tiny_model(family, "float32", tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    with torch.inference_mode():
        expected = model(input_ids=torch.from_numpy(TOKENS), output_hidden_states=True).hidden_states
    source = find_source(manifest_of(folder), (), torch.float32, CPU)
    states = States(source, TOKENS, file)
    for number in range(4):
        torch.testing.assert_close(states_of(states), expected[number], atol=2e-5, rtol=1e-5)
        states.advance(read_layer(source, number))


def test_to_look_leaves_the_states_and_a_changed_layer_moves_them(file, tmp_path):
    folder = tiny_model("llama", "bfloat16", tmp_path / "model")
    source = find_source(manifest_of(folder), (), torch.float32, CPU)
    states, seen = States(source, TOKENS, file), []
    before = states_of(states)
    states.see(read_layer(source, 0), lambda name, rows: seen.append((name, tuple(rows.shape))))
    assert set(seen) == {
        ("query_key_value", (200, 32)), ("output", (200, 32)), ("up", (200, 32)), ("down", (200, 48))
    }  # fmt: skip
    torch.testing.assert_close(states_of(states), before, atol=0, rtol=0)
    zeros = {
        f"model.layers.0.{name}.weight": np.zeros((32, width), dtype=np.uint16)
        for name, width in {"self_attn.o_proj": 32, "mlp.down_proj": 48}.items()
    }
    states.advance(read_layer(with_tensors(source, zeros), 0))
    torch.testing.assert_close(states_of(states), before, atol=0, rtol=0)  # only what goes around is left
    states.advance(read_layer(source, 0))
    assert not torch.equal(states_of(states), before)


def test_text_of_another_tokenizer_is_refused(tmp_path):
    table = pa.table({"tokens": pa.FixedSizeListArray.from_arrays(pa.array(range(6), pa.int32()), 3)})
    pq.write_table(table.replace_schema_metadata({"tokenizer": "a"}), tmp_path / "text.parquet")
    manifest = SimpleNamespace(model="m", tokenizer="a")
    assert read_texts(tmp_path / "text.parquet", manifest).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(UserError, match="found text in another tokenizer's ids than those of m"):
        read_texts(tmp_path / "text.parquet", SimpleNamespace(model="m", tokenizer="b"))

"""Biases of attention towards near tokens, against those of transformers' Bloom and Falcon."""

from dataclasses import replace

import pytest
import torch
from small_changes import ARCHITECTURE
from transformers.models.bloom import modeling_bloom
from transformers.models.falcon import modeling_falcon

from memprune.scoring.alibi import biases_of, slopes_of

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("heads", [*range(1, 35), 71, 112, 128])
def test_slopes_are_those_of_bloom(heads):
    expected = modeling_bloom._get_alibi_slopes(heads, torch.device("cpu"))
    torch.testing.assert_close(slopes_of(heads), expected, atol=0, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heads", [1, 6, 16])
def test_biases_are_those_of_bloom(heads, dtype):
    found = biases_of(replace(ARCHITECTURE, heads=heads, alibi="added"), 700, torch.zeros(1, dtype=dtype))
    expected = modeling_bloom.build_alibi_tensor(torch.ones(1, 700, dtype=torch.long), heads, dtype)
    torch.testing.assert_close(found, expected[:, 0], atol=0, rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("heads", [1, 6, 16])
def test_biases_are_those_of_falcon(heads, dtype):
    architecture = replace(ARCHITECTURE, heads=heads, head_size=64, alibi="masked")
    found = biases_of(architecture, 700, torch.zeros(1, dtype=dtype))
    expected = modeling_falcon.build_alibi_tensor(torch.ones(1, 700, dtype=torch.long), heads, dtype)
    torch.testing.assert_close(found, expected[:, 0] / 8, atol=0, rtol=0)

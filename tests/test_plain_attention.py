"""Attention without a fused kernel, a few queries at a time, against transformers' eager attention."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward

from memprune.scoring import plain_attention
from memprune.scoring.plain_attention import attend_plainly


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@settings(max_examples=60, deadline=None)
@given(
    texts=st.integers(1, 3),
    key_heads=st.integers(1, 3),
    share=st.integers(1, 3),
    tokens=st.integers(1, 17),
    past=st.booleans(),
    window=st.none() | st.integers(1, 20),
    cap=st.none() | st.sampled_from([0.5, 30.0]),
    products=st.sampled_from([1, 50, 500, 10**9]),
)
def test_a_few_queries_at_a_time_are_transformers_at_once(
    dtype, texts, key_heads, share, tokens, past, window, cap, products
):
    queries = 1 if past else tokens
    torch.manual_seed(0)
    query = torch.randn(texts, key_heads * share, queries, 4).to(dtype)
    key, value = torch.randn(2, texts, key_heads, tokens, 4).to(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(plain_attention.PRODUCTS, "cpu", products)
        found = attend_plainly(query, key, value, 0.7, cap, window)
    distance = torch.arange(tokens - queries, tokens)[:, None] - torch.arange(tokens)
    hidden = (distance < 0) | (distance >= (window or tokens))
    mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill(hidden, torch.finfo(dtype).min)
    module = SimpleNamespace(num_key_value_groups=share, training=False)
    expected, _ = eager_attention_forward(module, query, key, value, mask, scaling=0.7, softcap=cap)
    torch.testing.assert_close(found, expected.transpose(1, 2))


def test_no_more_products_are_made_at_one_time_than_are_allowed(monkeypatch):
    monkeypatch.setitem(plain_attention.PRODUCTS, "cpu", 1000)
    sizes, real = [], torch.Tensor.softmax

    def softmax(scores, *rest, **settings):
        sizes.append(scores.numel())
        return real(scores, *rest, **settings)

    monkeypatch.setattr(torch.Tensor, "softmax", softmax)
    query = torch.randn(2, 4, 50, 8)
    attend_plainly(query, query[:, :2], query[:, :2], 1.0, 2.0, None)
    assert len(sizes) == 25
    assert max(sizes) <= 1000

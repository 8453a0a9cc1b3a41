"""Rotary positions as a config.json may say them."""

from hypothesis import strategies as st
from random_models import booleans, some


@st.composite
def rotary_keys(draw, family: str, head_size: int) -> dict:
    """Rotary positions of a type, in one of the spellings of transformers, old and new."""
    kind = draw(some(["default", "default", "linear", "dynamic", "llama3", "yarn", "proportional"]))
    inner = {"rope_type": kind} if kind != "default" or draw(booleans) else {}
    if kind != "default" and (kind != "proportional" or draw(booleans)):
        inner["factor"] = draw(some([1.0, 2, 3.7, 8.0]))
    if kind == "llama3":
        inner |= {"low_freq_factor": draw(some([0.5, 1.0])), "high_freq_factor": draw(some([2.0, 4]))}
    if kind == "yarn":
        optional = {
            "attention_factor": some([0.7, 1.0]),
            "beta_fast": some([4, 32.0]),
            "beta_slow": some([0.5, 1]),
            "mscale": some([0.707, 1.0]),
            "mscale_all_dim": some([0.5, 1.0]),
            "truncate": booleans,
        }
        inner |= {key: draw(values) for key, values in optional.items() if draw(booleans)}
    outer = {}
    if kind in ("llama3", "yarn"):
        for place in (inner, outer):
            if draw(booleans):
                place["original_max_position_embeddings"] = draw(some([8, 12]))
    neox = family == "gpt_neox"
    theta, share = ("rotary_emb_base", "rotary_pct") if neox else ("rope_theta", "partial_rotary_factor")
    for place, key in ((inner, "rope_theta"), (outer, theta), (outer, "rope_theta")):
        if draw(booleans):
            place[key] = draw(some([100, 10_000.0, 5e5]))
    shares = st.one_of(
        some([0.0, 0.25, 0.5, 0.6, 1.0]), st.integers(1, head_size).map(lambda n: n / head_size)
    )
    for place, key in ((inner, "partial_rotary_factor"), (outer, share), (outer, "partial_rotary_factor")):
        if draw(some([neox, neox, False])):
            place[key] = draw(shares)
    if "rope_type" in inner and draw(booleans):
        inner["type"] = inner.pop("rope_type") if draw(booleans) else "linear"
    if not inner:
        return outer
    if draw(booleans):
        decoy = {"rope_parameters": {"rope_theta": 77.0}} if draw(booleans) else {}
        return outer | {"rope_scaling": inner} | decoy
    return outer | {"rope_parameters": inner} | draw(some([{}, {"rope_scaling": None}]))

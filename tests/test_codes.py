"""Quantized weights as files hold them, against what the format says, weight by weight."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from memprune.models.weights import BITS, Tensor
from memprune.variants import codes
from memprune.variants.changes import About, write_change
from memprune.variants.floats import to_bits, to_float32


@st.composite
def quantized_matrices(draw) -> dict:
    """Random codes of a matrix in all shapes, with groups that end early, along either axis."""
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    bits, group, axis = draw(st.integers(2, 8)), draw(st.integers(1, 50)), draw(st.integers(0, 1))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = list(shape)
    groups[axis] = -(-shape[axis] // group)
    return {
        "codes": generator.integers(0, 2**bits, shape),
        "scales": generator.lognormal(-4, 2, groups).astype(np.float32),
        "zeros": generator.integers(0, 2**bits, groups).astype(np.uint8) if draw(st.booleans()) else None,
        "bits": bits,
        "group": group,
        "axis": axis,
        "dtype": draw(st.sampled_from(sorted(BITS))),
        "start": 8 * draw(st.integers(0, shape[0] * shape[1] // 8)),
    }


@settings(deadline=None, max_examples=200)
@given(quantized_matrices())
def test_weights_are_what_the_format_says(found):
    shape, dtype = found["codes"].shape, found["dtype"]
    scales = to_bits(found["scales"], dtype)
    tensors = {"w.codes": codes.packed(found["codes"], found["bits"]), "w.scales": scales}
    if found["zeros"] is not None:
        tensors["w.zeros"] = found["zeros"]
    details = {name: found[name] for name in ("bits", "group", "axis")}
    about = About("codes", {}, found["bits"], "", {"w": shape}, {"w": 1}, details=details)
    part = slice(found["start"], shape[0] * shape[1])
    out = np.empty(part.stop - part.start, dtype=BITS[dtype])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "change.safetensors"
        write_change(about, tensors.items(), path)
        codes.step(path, Tensor(path, dtype, shape, 0), "w")(part, out)
    expected = np.empty(shape, dtype=np.float32)
    for row, column in np.ndindex(shape):
        own = (row // found["group"], column) if found["axis"] == 0 else (row, column // found["group"])
        zero = 2 ** (found["bits"] - 1) if found["zeros"] is None else int(found["zeros"][own])
        expected[row, column] = (int(found["codes"][row, column]) - zero) * to_float32(scales, dtype)[own]
    rounded = torch.from_numpy(expected).to(getattr(torch, dtype)).float().numpy()
    np.testing.assert_array_equal(to_float32(out, dtype), rounded.ravel()[part])


@pytest.mark.parametrize("bits", range(2, 9))
def test_codes_take_as_many_bits_as_they_say(bits):
    flat = np.random.default_rng(0).integers(0, 2**bits, 1001)
    planes = codes.packed(flat, bits)
    assert planes.dtype == np.uint8
    assert planes.shape == (bits, 126)
    np.testing.assert_array_equal(codes.unpacked(planes, slice(0, 1001)), flat)
    with pytest.raises(AssertionError):
        codes.packed(flat + 2**bits, bits)

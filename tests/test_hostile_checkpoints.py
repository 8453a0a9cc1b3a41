"""Checkpoints, changes of weights and manifests that are damaged or made for others: each is one line."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from small_changes import ARCHITECTURE, ROTARY, TENSORS, about, manifest_in

from memprune.errors import UserError
from memprune.models.checkpoint import check_file
from memprune.models.manifest import Manifest, read_manifest, write_manifest
from memprune.models.weights import Tensor, read_header, read_tensors
from memprune.variants import codes, factors, masks, new_values
from memprune.variants.changes import about_change, change_digest, load_tensors, write_change
from memprune.variants.masks import read_mask
from memprune.variants.weights_of_variant import weights_of_variant


def line_of(action) -> str:
    """The one line that an action is refused with."""
    with pytest.raises(UserError) as caught:
        action()
    [line] = str(caught.value).splitlines()
    return line


def with_header(header: bytes, data: bytes = bytes(16), size: int | None = None) -> bytes:
    """A safetensors file of a header, which claims to have a size."""
    return (len(header) if size is None else size).to_bytes(8, "little") + header + data


def tensor(**changed) -> bytes:
    """A header with two tensors of two float32 each, of which one is changed."""
    plain = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return json.dumps({"a": plain | changed, "b": plain | {"data_offsets": [8, 16]}}).encode()


GOOD = with_header(tensor())
TWICE = tensor().replace(b'"b"', b'"a"')
HEADERS = {
    "2^60 bytes": (with_header(tensor(), size=2**60), "header too large", "a header of 115292150460684697"),
    "100 MB more": (with_header(tensor(), size=9 * 10**7), "invalid header length", "Extra data"),
    "none": (b"", "header too small", "Expecting value"),
    "seven bytes": (bytes(7), "header too small", "Expecting value"),
    "of no bytes": (with_header(b""), "invalid JSON in header", "Expecting value"),
    "a list": (with_header(b"[]"), "invalid type", "its header is list, expected an object"),
    "Latin-1": (with_header(b'{"\xff": 1}'), "invalid UTF-8", "'utf-8' codec can't decode"),
    "deep": (with_header(b'{"__metadata__": ' + b"[" * 10**5), "invalid type", "maximum recursion depth"),
    "a key twice": (with_header(TWICE), "", "a stands twice in its header"),
    "cut off": (GOOD[:-1], "incomplete metadata, file not fully covered", None),
    "more behind it": (GOOD + b"\0", "incomplete metadata, file not fully covered", None),
    "overlapping": (with_header(tensor(data_offsets=[8, 16])), "invalid offset for tensor", None),
    "beyond the end": (with_header(tensor(data_offsets=[2**40, 2**40 + 8])), "invalid offset for", None),
    "before the start": (with_header(tensor(data_offsets=[-8, 0])), "expected usize", None),
    "backwards": (with_header(tensor(data_offsets=[8, 0])), "invalid offset for tensor", None),
    "more than 2^64": (with_header(tensor(shape=[2**40, 2**40])), "overflow computing buffer size", None),
    "negative": (with_header(tensor(shape=[-2])), "expected usize", None),
    "another dtype": (with_header(tensor(dtype="I64")), "invalid shape, data type, or offset", None),
    "no dtype": (with_header(tensor(dtype="F128")), "unknown variant `F128`", None),
    "a number as dtype": (with_header(tensor(dtype=3)), "invalid type: integer `3`", None),
    "a list as a tensor": (with_header(b'{"a": ["F32", [4], [0, 16]]}'), "", "list indices must be integers"),
    "a mapping as dtype": (with_header(tensor(dtype={"F32": None})), "", "unhashable type: 'dict'"),
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_headers_that_are_none(case, tmp_path):
    """For safetensors, and for what reads them once more: the one lets pass what is none for the other."""
    path = tmp_path / "model.safetensors"
    content, message, own = HEADERS[case]
    path.write_bytes(content)
    expected = f"{path}: not a safetensors file: "
    if message:
        line = line_of(lambda: check_file(path))
        assert line.startswith(expected)
        assert message in line
    if own is not None:
        assert line_of(lambda: read_header(path)).startswith(f"{expected}{own}")


@pytest.fixture
def manifest(tmp_path) -> Manifest:
    return manifest_in(tmp_path)


@pytest.mark.parametrize("kind", TENSORS)
def test_changes_as_they_should_be(kind, manifest, tmp_path):
    path = tmp_path / "change.safetensors"
    write_change(about(kind), TENSORS[kind].items(), path)
    assert weights_of_variant(manifest, [path]).bits("w").shape == (3, 5)


CHANGES = {
    "of other weights": ("mask", {"fingerprint": "0" * 64}, {}, "found a change of other weights (000000000"),
    "of another matrix": ("mask", {"shapes": {"v": (3, 5)}}, {}, "v: found a change of (3, 5), the model ha"),
    "of another shape": ("mask", {"shapes": {"w": (5, 3)}}, {}, "w: found a change of (5, 3), the model has"),
    "a mask that is short": ("mask", {}, {"w": np.array([0xFF], np.uint8)}, "w: found uint8 [1], expected u"),
    "a mask of words": ("mask", {}, {"w": np.zeros(2, np.uint16)}, "w: found uint16 [2], expected uint8 [2]"),
    "a mask of another number": ("mask", {}, {"w": np.array([0xF8, 0x3F], np.uint8)}, "w keeps 11 weights,"),
    "a mask beyond its matrix": ("mask", {}, {"w": np.array([0xF0, 0xFF], np.uint8)}, "w keeps 12 weights,"),
    "a mask without numbers": ("mask", {"details": {}}, {}, "cannot be read ('kept')"),
    "a mask without a matrix": ("mask", {}, {"v": np.zeros(2, np.uint8)}, "cannot be read (File does not co"),
    "values that are few": ("values", {}, {"w": np.zeros(14, np.uint32)}, "w: found 14 of U32, expected 15"),
    "values of half a size": ("values", {}, {"w": np.zeros(15, np.uint16)}, "w: found 15 of U16, expected 1"),
    "values of another": ("values", {}, {"v": np.zeros(15, np.uint32)}, "w: found none, expected 15 of uint"),
    "codes of fewer bits": ("codes", {}, {"w.codes": np.zeros((1, 2), np.uint8)}, "w.codes: found uint8 [1,"),
    "codes of one scale": ("codes", {}, {"w.scales": np.zeros((3, 1), np.uint32)}, "w.scales: found uint32"),
    "codes of groups of none": ("codes", {"details": {"bits": 2, "group": 0, "axis": 1}}, {}, "cannot be re"),
    "codes of scales as halves": ("codes", {}, {"w.scales": np.zeros((3, 2), np.uint16)}, "w.scales: found"),
    "factors of two ranks": ("factors", {}, {"w.right": np.zeros((1, 5), np.uint32)}, "w.right: found uint3"),
    "factors of another rank": ("factors", {"remaining": {"w": 8}}, {}, "w.left: found uint32 [3, 2], expec"),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_changes_that_are_none(case, manifest, tmp_path):
    path = tmp_path / "change.safetensors"
    kind, changed, tensors, message = CHANGES[case]
    kept = {} if set(tensors) - set(TENSORS[kind]) else TENSORS[kind]
    write_change(about(kind, **changed), (kept | tensors).items(), path)
    line = line_of(lambda: weights_of_variant(manifest, [path]).bits("w"))
    assert line.startswith(f"{path}: ")
    assert message in line


ABOUTS = {
    "no JSON": ("{", "Expecting property name"),
    "a list": ("[]", "list indices must be integers"),
    "a kind unknown": (json.dumps(vars(about("mask")) | {"kind": "pickle"}), "found a change of kind pickle"),
    "shapes as a list": (json.dumps(vars(about("mask")) | {"shapes": []}), "'list' object has no attribute"),
    "a key too many": (json.dumps(vars(about("mask")) | {"x": 1}), "unexpected keyword argument 'x'"),
    "too deep": ("[" * 10**5, "maximum recursion depth exceeded"),
}


@pytest.mark.parametrize("case", ABOUTS)
def test_changes_that_tell_nothing(case, tmp_path):
    path = tmp_path / "change.safetensors"
    told, message = ABOUTS[case]
    save_file(TENSORS["mask"], path, {"change": told})
    for read in (about_change, change_digest, read_mask):
        line = line_of(lambda read=read: read(path))
        assert line.startswith(f"{path}: cannot be read (")
        assert message in line


@pytest.mark.parametrize("content", [b"", bytes(7), GOOD, GOOD[:-1], b"PAR1", with_header(b"{}", size=2**60)])
def test_files_that_are_no_change(content, tmp_path):
    path = tmp_path / "change.safetensors"
    path.write_bytes(content)
    assert line_of(lambda: about_change(path)).startswith(f"{path}: cannot be read (")
    if content != GOOD:
        assert line_of(lambda: load_tensors(path)).startswith(f"{path}: cannot be read (")


@pytest.mark.parametrize("module", [masks, codes, factors])
def test_a_change_that_is_gone(module, tmp_path):
    absent = tmp_path / "absent"
    assert "cannot be read" in line_of(lambda: module.step(absent, Tensor(absent, "float32", (3, 5), 0), "w"))


def test_new_values_that_are_gone(tmp_path):
    absent = tmp_path / "absent"
    line = line_of(lambda: new_values.step(absent, Tensor(absent, "float32", (3, 5), 0), "w"))
    assert line.startswith(f"{absent}: not a safetensors file: ")


def test_weights_that_are_cut_off_since_their_header_was_read(manifest):
    weights = weights_of_variant(manifest, [])
    path = read_tensors(manifest)["w"].file
    path.write_bytes(path.read_bytes()[:-4])
    assert line_of(lambda: weights.bits("w")) == f"{path}: cut off; found 56 of 60 bytes of a tensor"


MANIFESTS = {
    "nothing": (lambda own: None, "manifest: found None"),
    "a list": (lambda own: [own], "manifest: found ["),
    "no matrices": (lambda own: {k: v for k, v in own.items() if k != "matrices"}, "required positional arg"),
    "a key too many": (lambda own: own | {"more": 1}, "more: found 1"),
    "a number as a folder": (lambda own: own | {"folder": 5}, "folder: found 5"),
    "text as bytes": (lambda own: own | {"tensor_bytes": "60"}, "tensor_bytes: found '60'"),
    "a truth value as bytes": (lambda own: own | {"tensor_bytes": True}, "tensor_bytes: found True"),
    "files as text": (lambda own: own | {"files": "model.safetensors"}, "files: found 'model.safetensors'"),
    "hashes as a list": (lambda own: own | {"hashes": ["0"]}, "hashes: found ['0']"),
    "a hash as a number": (lambda own: own | {"hashes": {"a": 0}}, "hashes.a: found 0"),
    "a shape of one": (lambda own: own | {"matrices": [own["matrices"][0] | {"shape": [3]}]}, "shape: found"),
    "epsilon as text": (lambda own: own | {"architecture": own["architecture"] | {"epsilon": "1"}}, "epsilo"),
    "no architecture": (lambda own: own | {"architecture": None}, "architecture: found None"),
    "rotary as text": (lambda own: own | {"architecture": own["architecture"] | {"rotary": "x"}}, "rotary:"),
}  # fmt: skip


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests_that_are_none(case, manifest, tmp_path):
    path = tmp_path / "manifest.json"
    change, message = MANIFESTS[case]
    path.write_text(json.dumps(change(json.loads(json.dumps(asdict(manifest))))))
    line = line_of(lambda: read_manifest(path))
    assert line.startswith(f"{path}: cannot be read (")
    assert message in line


@pytest.mark.parametrize("rotary", [ROTARY, None])
def test_a_manifest_is_read_as_it_was_written(rotary, manifest, tmp_path):
    written = replace(manifest, architecture=replace(ARCHITECTURE, rotary=rotary))
    write_manifest(written, tmp_path / "manifest.json")
    assert read_manifest(tmp_path / "manifest.json") == written


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 10**5, b'{"a": ' + b"9" * 5000 + b"}"])
def test_manifests_that_are_damaged(content, tmp_path):
    path: Path = tmp_path / "manifest.json"
    path.write_bytes(content)
    assert line_of(lambda: read_manifest(path)).startswith(f"{path}: cannot be read (")

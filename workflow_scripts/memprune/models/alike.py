"""Whether a checkpoint may stand in a model's place: tensors of the same names, shapes and dtypes."""

from dataclasses import fields
from pathlib import Path

from memprune.errors import UserError
from memprune.models.manifest import Checkpoint
from memprune.models.outline import Outline
from memprune.models.tensor_names import find_parts
from memprune.models.weights import BITS, Tensor, read_headers


def check_alike(found: Checkpoint, folder: str, model: Checkpoint, model_folder: str) -> None:
    """Raise UserError, which names the first difference, unless two model folders differ in weights alone."""
    for field in fields(model.architecture):
        own, other = (getattr(each.architecture, field.name) for each in (found, model))
        if own != other:
            raise UserError(f"{folder}: architecture: found {field.name} {own}, the model has {other}")
    tensors, of_model = tensors_of(found, folder), tensors_of(model, model_folder)
    if differing := sorted(set(tensors) ^ set(of_model)):
        has = "it has and the model lacks" if differing[0] in tensors else "the model has and it lacks"
        raise UserError(f"{folder}: tensors: found other names than the model's: {has} {differing[0]}")
    for name, tensor in tensors.items():
        own, other = ((each.dtype, list(each.shape)) for each in (tensor, of_model[name]))
        if own != other:
            raise UserError(f"{folder}: {name}: found {own[0]} {own[1]}, the model has {other[0]} {other[1]}")


def tensors_of(checkpoint: Checkpoint, folder: str) -> dict[str, Tensor]:
    """The tensors that a model computes with, by name; buffers are none of them."""
    headers = read_headers(Path(folder) / file for file in checkpoint.files)
    if isinstance(checkpoint.architecture, Outline):
        return {name: tensor for name, tensor in headers.items() if tensor.dtype in BITS}
    return {name: headers[name] for name in find_parts(checkpoint.architecture.family, headers).values()}

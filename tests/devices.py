"""The devices that tests run on."""

import torch

# By itself, for to ask torch fixes the devices that a process sees.
DEVICES = [torch.device(name) for name in ("cpu", *["cuda"] * torch.cuda.is_available())]

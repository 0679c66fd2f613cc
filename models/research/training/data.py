"""Reads what dataset.ts writes: dataset.json and the .u8 files of a folder."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

NOT_OF_CLASS = 255


@dataclass
class Dataset:
    """Pictures u8 [N, 3, S, S]; labels, attributes [N, heads] i64; held out bool [N]; what
    dataset.json says."""

    images: torch.Tensor
    labels: torch.Tensor
    attributes: torch.Tensor
    held_out: torch.Tensor
    info: dict

    @property
    def classes(self):
        return len(self.info["classes"])


def load(folder, size, device):
    """A dataset on a device, its pictures averaged down to size × size."""
    folder = Path(folder)
    info = json.loads((folder / "dataset.json").read_text())
    n, s = info["count"], info["size"]
    heads = len(info["attributes"])

    def read(name, *shape):
        return torch.from_numpy(np.fromfile(folder / name, np.uint8).reshape(n, *shape))

    images = read("images.u8", s, s, 3).permute(0, 3, 1, 2).contiguous().to(device)
    if size != s:
        parts = images.split(4096)
        smaller = [F.avg_pool2d(x.float(), s // size).round().to(torch.uint8) for x in parts]
        images = torch.cat(smaller)
    return Dataset(
        images,
        read("labels.u8").to(device, torch.int64),
        read("attributes.u8", heads).to(device, torch.int64),
        read("heldOut.u8").to(device, torch.bool),
        info,
    )


def scaled(images):
    """u8 → float32 in [−1, 1]."""
    return images.float() / 127.5 - 1

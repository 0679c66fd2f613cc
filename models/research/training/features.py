"""Trains the small network whose features FID, KID and the feature distance are taken in, on a
dataset of dataset.ts.

python models/research/training/features.py --data avatars --out avatars-features --seconds 90

Pictures are 32×32. Its heads tell the class, and the value of each attribute (of pictures of the
attribute's class), so that the features hold what sets pictures of a class apart. Written:
OUT.safetensors (float16, batch norms folded into the convolutions) and OUT.log with the accuracies
on the held-out pictures.
"""

import argparse
import time
from pathlib import Path

import torch
from data import NOT_OF_CLASS, load, scaled
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

SIZE = 32
BATCH = 512
RATE = 2e-3
# (channels, stride) of each 3×3 convolution
LAYERS = [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 2)]


class Features(nn.Module):
    def __init__(self, classes, attributes):
        super().__init__()
        widths = [3] + [channels for channels, _ in LAYERS]
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride, bias=False) for a, (b, stride) in zip(widths, LAYERS)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels, _ in LAYERS)
        self.style = nn.Linear(widths[-1], classes)
        self.attributes = nn.Linear(widths[-1], attributes)

    def forward(self, x):
        """Features [B, 128], class logits [B, classes], attribute logits [B, attributes] of
        pictures [B, 3, 32, 32]."""
        for conv, norm in zip(self.convs, self.norms):
            # TensorFlow's SAME: with stride 2 only behind
            x = F.pad(x, (0, 1, 0, 1) if conv.stride[0] == 2 else (1, 1, 1, 1))
            x = F.relu(norm(conv(x)))
        features = x.mean((2, 3))
        return features, self.style(features), self.attributes(features)


def folded(model):
    """The convolutions' weights and biases with their norms in them, and the heads."""
    weights = {}
    for i, (conv, norm) in enumerate(zip(model.convs, model.norms)):
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        weights[f"convs.{i}.weight"] = conv.weight * scale[:, None, None, None]
        weights[f"convs.{i}.bias"] = norm.bias - norm.running_mean * scale
    for name, head in (("style", model.style), ("attributes", model.attributes)):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = head.weight, head.bias
    return {name: value.detach().half().contiguous().cpu() for name, value in weights.items()}


def shifted(x):
    """Each picture moved by up to two pixels, so that the features are not of single pixels."""
    padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
    dy, dx = torch.randint(0, 5, (2,)).tolist()
    return padded[:, :, dy : dy + SIZE, dx : dx + SIZE]


def head_slices(info):
    """Where each attribute's values are among the logits."""
    slices, at = [], 0
    for head in info["attributes"]:
        slices.append(slice(at, at + len(head["values"])))
        at += len(head["values"])
    return slices, at


def attribute_loss(logits, targets, slices):
    """Mean cross-entropy over the attributes that the pictures have."""
    total = sum(
        F.cross_entropy(logits[:, where], targets[:, i], ignore_index=NOT_OF_CLASS, reduction="sum")
        for i, where in enumerate(slices)
    )
    return total / (targets != NOT_OF_CLASS).sum()


@torch.no_grad()
def accuracies(model, data, slices):
    """On the held-out pictures: of the class, and of the attributes."""
    model.eval()
    held = torch.nonzero(data.held_out)[:, 0]
    right = total = style = 0
    for part in held.split(2048):
        _, classes, logits = model(scaled(data.images[part]))
        style += (classes.argmax(1) == data.labels[part]).sum().item()
        for i, where in enumerate(slices):
            chosen = data.attributes[part, i] != NOT_OF_CLASS
            guess = logits[chosen, where].argmax(1)
            right += (guess == data.attributes[part, i][chosen]).sum().item()
            total += int(chosen.sum())
    return style / len(held), right / max(1, total)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--folder", default=".")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    path = Path(options.folder) / options.out
    path.parent.mkdir(parents=True, exist_ok=True)
    data = load(options.data, SIZE, device)
    slices, width = head_slices(data.info)
    model = Features(data.classes, max(1, width)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    train = torch.nonzero(~data.held_out)[:, 0]
    start, step = time.time(), 0
    while (done := (time.time() - start) / options.seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * max(0.01, 1 - done)
        chosen = train[torch.randint(0, len(train), (BATCH,), device=device)]
        _, classes, logits = model(shifted(scaled(data.images[chosen])))
        loss = F.cross_entropy(classes, data.labels[chosen])
        if width > 0:
            loss = loss + attribute_loss(logits, data.attributes[chosen], slices)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
    style, attributes = accuracies(model, data, slices)
    text = f"{step} steps, held-out accuracy: class {style:.4f}, attributes {attributes:.4f}"
    print(text, flush=True)
    path.with_suffix(".log").write_text(text + "\n")
    save_file(folded(model), f"{path}.safetensors")


main()

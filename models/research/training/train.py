r"""Trains a DiT as a rectified flow on a dataset of dataset.ts, and writes its averaged weights and
a sheet of samples.

python models/research/training/train.py --data avatars --out avatars \
    --size 64 --width 256 --depth 8 --heads 4 --rate 5e-4 --seconds 870
python models/research/training/train.py --data avatars --out avatars-nano \
    --size 32 --width 192 --depth 6 --heads 3 --rate 8e-4 --seconds 460
python models/research/training/train.py --data fashion --out fashion \
    --size 32 --width 128 --depth 6 --heads 4 --rate 8e-4 --seconds 240

x_t = t x + (1 − t) z with noise z; the model learns v = x − z. t is logit-normal; the label is
dropped in a tenth. --pause S stops after S seconds of this run with a checkpoint, from which the
same command goes on. Written: OUT-0000N-of-00002.safetensors (float16, facebookresearch/DiT's
names), OUT.png, OUT.log.
"""

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
from data import load, scaled
from dit import DiT
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

PATCH = 4
BATCH = 512
WARM_STEPS = 500
DECAY_FROM = 0.6
EMA = 0.9995
DROPPED = 0.1


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="of AdamW, before it decays")
    parser.add_argument("--seconds", type=float, required=True, help="of training in all")
    parser.add_argument("--pause", type=float, default=math.inf, help="seconds of this run")
    parser.add_argument("--folder", default=".", help="for what is written")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def sincos(d, grid):
    """DiT's fixed two-dimensional position embedding [1, grid², d]."""
    steps = torch.arange(grid, dtype=torch.float64)
    columns, rows = torch.meshgrid(steps, steps, indexing="xy")

    def one(position):
        frequencies = 1 / 10000 ** (torch.arange(d // 4, dtype=torch.float64) / (d / 4))
        angles = position.reshape(-1)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], 1)

    return torch.cat([one(columns), one(rows)], 1).float()[None]


def initialize(model):
    """As DiT: Xavier, and zeros where a block begins as the identity (adaLN-Zero)."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    proj = model.x_embedder.proj
    nn.init.xavier_uniform_(proj.weight.data.view(proj.weight.shape[0], -1))
    nn.init.zeros_(proj.bias)
    nn.init.normal_(model.y_embedder.embedding_table.weight, std=0.02)
    for i in (0, 2):
        nn.init.normal_(model.t_embedder.mlp[i].weight, std=0.02)
    final = model.final_layer
    modulations = [block.adaLN_modulation[1] for block in model.blocks]
    for linear in modulations + [final.adaLN_modulation[1], final.linear]:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    model.pos_embed.data = sincos(model.pos_embed.shape[-1], model.grid)


def rate_at(options, step, done):
    """Warm-up by steps; after `DECAY_FROM` of the time a line down to a fiftieth."""
    decay = min(1, max(0.02, (1 - done) / (1 - DECAY_FROM)))
    return options.rate * min(1, (step + 1) / WARM_STEPS) * decay


@torch.no_grad()
def sample(model, labels, none, noise, steps=50, cfg=1.5):
    """Euler steps from noise to pictures, guided."""
    x, n = noise, len(labels)
    both = torch.cat([labels, torch.full_like(labels, none)])
    for i in range(steps):
        t = torch.full((2 * n,), i / steps, device=x.device)
        labelled, free = model(torch.cat([x, x]), t, both).chunk(2)
        x = x + (free + cfg * (labelled - free)) / steps
    return x.clamp(-1, 1)


def sheet(model, classes, size, device):
    """Eight samples of each class in two columns of rows, u8."""
    labels = torch.arange(classes, device=device).repeat_interleave(8)
    generator = torch.Generator(device).manual_seed(1)
    noise = torch.randn(len(labels), 3, size, size, generator=generator, device=device)
    values = ((sample(model, labels, classes, noise) + 1) * 127.5).round().byte()
    pictures = values.permute(0, 2, 3, 1).cpu().numpy()
    rows = [np.concatenate(list(row), 1) for row in pictures.reshape(classes, 8, size, size, 3)]
    half = classes // 2
    return np.concatenate([np.concatenate(rows[:half], 0), np.concatenate(rows[half:], 0)], 1)


def save(model, path):
    """float16, in two shards: the first half of the blocks, and the rest."""
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    blocks = len(model.blocks)
    first = {n for n in weights if n.startswith("blocks.") and int(n.split(".")[1]) < blocks // 2}
    shards = [n for n in weights if n in first], [n for n in weights if n not in first]
    for i, part in enumerate(shards, 1):
        save_file({name: weights[name] for name in part}, f"{path}-0000{i}-of-00002.safetensors")


def main():
    options = arguments()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.manual_seed(options.seed)
    path = Path(options.folder) / options.out
    path.parent.mkdir(parents=True, exist_ok=True)
    data = load(options.data, options.size, device)
    train = torch.nonzero(~data.held_out)[:, 0]

    model = DiT(
        options.size, PATCH, 3, options.width, options.depth, options.heads, data.classes
    ).to(device)
    initialize(model)
    model.to(device)
    average = copy.deepcopy(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    fused = device == "cuda"
    optimizer = torch.optim.AdamW(
        trained, lr=options.rate, betas=(0.9, 0.95), weight_decay=0.0, fused=fused
    )
    checkpoint, step, before = path.with_suffix(".checkpoint"), 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, before = state["step"], state["seconds"]
        torch.manual_seed(options.seed + step)
    net = torch.compile(model) if device == "cuda" else model
    averaged, live = list(average.parameters()), list(model.parameters())

    def log(text):
        print(text, flush=True)
        with open(path.with_suffix(".log"), "a") as file:
            file.write(text + "\n")

    parameters = f"{sum(p.numel() for p in trained) / 1e6:.2f} M parameters"
    log(f"{parameters}, {len(train)} pictures, from step {step}")
    start, losses = time.time(), []
    while (spent := time.time() - start) < options.pause and before + spent < options.seconds:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(options, step, (before + spent) / options.seconds)
        chosen = train[torch.randint(0, len(train), (BATCH,), device=device)]
        x = scaled(data.images[chosen])
        dropped = torch.rand(BATCH, device=device) < DROPPED
        y = torch.where(dropped, data.classes, data.labels[chosen])
        t = torch.sigmoid(torch.randn(BATCH, device=device))
        z = torch.randn_like(x)
        at = t[:, None, None, None]
        with torch.autocast(device, torch.bfloat16):
            v = net(at * x + (1 - at) * z, t, y)
        loss = F.mse_loss(v.float(), x - z)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(averaged, live, 1 - min(EMA, (step + 1) / (step + 10)))
        step += 1
        if step % 50 == 0:
            losses.append(loss.item())
        if step % 1000 == 0:
            seconds = before + time.time() - start
            log(f"step {step}, {seconds:.0f} s, loss {np.mean(losses[-20:]):.4f}")
    seconds = before + time.time() - start
    state = dict(
        model=model.state_dict(), average=average.state_dict(), optimizer=optimizer.state_dict()
    )
    torch.save(dict(**state, step=step, seconds=seconds), checkpoint)
    log(f"stopped at step {step}, {seconds:.0f} s, loss {np.mean(losses[-20:]):.4f}")
    if seconds < options.seconds:
        return
    average.eval()
    save(average, path)
    Image.fromarray(sheet(average, data.classes, options.size, device)).save(f"{path}.png")


main()

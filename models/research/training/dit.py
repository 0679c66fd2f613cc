"""The diffusion transformer that the trained models were trained as, in PyTorch: adaLN-Zero,
facebookresearch/DiT's names.

Latents are NCHW here, and NHWC in the graph that dit.ts builds of the same weights.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

FREQUENCIES = 128


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


def layer_norm(d):
    return nn.LayerNorm(d, elementwise_affine=False, eps=1e-6)


class Attention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(d, 3 * d)
        self.proj = nn.Linear(d, d)

    def forward(self, x):
        b, t, d = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(b, t, d))


class Mlp(nn.Module):
    def __init__(self, d, ratio):
        super().__init__()
        self.fc1 = nn.Linear(d, ratio * d)
        self.fc2 = nn.Linear(ratio * d, d)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, d, heads, ratio):
        super().__init__()
        self.norm1 = layer_norm(d)
        self.attn = Attention(d, heads)
        self.norm2 = layer_norm(d)
        self.mlp = Mlp(d, ratio)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, 6 * d))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, 1)
        x = x + gate1[:, None] * self.attn(modulate(self.norm1(x), shift1, scale1))
        return x + gate2[:, None] * self.mlp(modulate(self.norm2(x), shift2, scale2))


class FinalLayer(nn.Module):
    def __init__(self, d, out):
        super().__init__()
        self.norm_final = layer_norm(d)
        self.linear = nn.Linear(d, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(d, 2 * d))

    def forward(self, x, c):
        shift, scale = self.adaLN_modulation(c).chunk(2, 1)
        return self.linear(modulate(self.norm_final(x), shift, scale))


class TimestepEmbedder(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * FREQUENCIES, d), nn.SiLU(), nn.Linear(d, d))

    def forward(self, t):
        steps = torch.arange(FREQUENCIES, dtype=torch.float32, device=t.device)
        angles = t[:, None] * torch.exp(-math.log(10000) * steps / FREQUENCIES)
        return self.mlp(torch.cat([angles.cos(), angles.sin()], -1))


class LabelEmbedder(nn.Module):
    def __init__(self, classes, d):
        super().__init__()
        self.embedding_table = nn.Embedding(classes + 1, d)

    def forward(self, y):
        return self.embedding_table(y)


class PatchEmbedder(nn.Module):
    def __init__(self, channels, d, patch):
        super().__init__()
        self.proj = nn.Conv2d(channels, d, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class DiT(nn.Module):
    def __init__(self, size, patch, channels, d, depth, heads, classes, ratio=4):
        super().__init__()
        self.patch, self.channels, self.grid = patch, channels, size // patch
        self.x_embedder = PatchEmbedder(channels, d, patch)
        self.t_embedder = TimestepEmbedder(d)
        self.y_embedder = LabelEmbedder(classes, d)
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid**2, d), requires_grad=False)
        self.blocks = nn.ModuleList([Block(d, heads, ratio) for _ in range(depth)])
        self.final_layer = FinalLayer(d, patch * patch * channels)

    def forward(self, x, t, y):
        """The velocity at latents x [B, C, S, S], times t [B] in [0, 1] and labels y [B]."""
        x = self.x_embedder(x) + self.pos_embed
        c = self.t_embedder(1000 * t) + self.y_embedder(y)
        for block in self.blocks:
            x = block(x, c)
        x = self.final_layer(x, c)
        g, p = self.grid, self.patch
        x = x.view(-1, g, g, p, p, self.channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(-1, self.channels, g * p, g * p)

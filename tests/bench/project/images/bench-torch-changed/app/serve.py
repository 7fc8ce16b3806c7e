"""Stands for an application."""

import torch

print(torch.__version__, torch.ones(2, 2).sum().item())

"""The network: two convolutions and two dense layers."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

DIGITS: Final = 10
DEVICE: Final = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Network(nn.Module):
    """From n x 1 x 8 x 8 features to n x 10 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 64),
            nn.ReLU(),
            nn.Linear(64, DIGITS),
        )

    def forward(self, features: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.layers(features)
        return logits


@torch.inference_mode()
def predict(network: Network, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """How probable each of the ten digits is, a row for each image."""
    network.eval()
    chances: NDArray[np.float32] = network(torch.from_numpy(features).to(DEVICE)).softmax(dim=1).cpu().numpy()
    return chances

"""S3FD, the face detector that Wav2Lip uses.

Topology: Zhang et al. 2017, "S3FD: Single Shot Scale-invariant Face Detector". Tensor names: the
public ``s3fd-619a316812.pth`` of the face-alignment project.
"""

import torch
from torch import nn
from torch.nn import functional

#: Number of 3 x 3 convolutions and channels of each VGG stage.
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
#: Layers that detect, with their channels, finest first (strides 4, 8, 16, 32, 64, 128 pixels).
SOURCES = (
    ("conv3_3_norm", 256),
    ("conv4_3_norm", 512),
    ("conv5_3_norm", 512),
    ("fc7", 1024),
    ("conv6_2", 512),
    ("conv7_2", 256),
)
NORM_EPSILON = 1e-10


class ChannelNorm(nn.Module):
    """Scale every pixel's channels to unit length, then each channel by its weight.

    Attributes:
        weight: One factor per channel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise float ``(n, channels, h, w)``."""
        length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + NORM_EPSILON
        return x / length * self.weight.view(1, -1, 1, 1)


class S3FD(nn.Module):
    """The detector's network, without anchors and non-maximum suppression."""

    def __init__(self) -> None:
        super().__init__()
        channels = 3
        for stage, (count, width) in enumerate(STAGES, start=1):
            for index in range(1, count + 1):
                self.add_module(f"conv{stage}_{index}", nn.Conv2d(channels, width, 3, padding=1))
                channels = width
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=3)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        self.conv6_1 = nn.Conv2d(1024, 256, 1)
        self.conv6_2 = nn.Conv2d(256, 512, 3, stride=2, padding=1)
        self.conv7_1 = nn.Conv2d(512, 128, 1)
        self.conv7_2 = nn.Conv2d(128, 256, 3, stride=2, padding=1)
        for name, width in SOURCES:
            if name.endswith("_norm"):
                self.add_module(name, ChannelNorm(width))
            # The finest level scores three kinds of background; the best of them counts.
            classes = 4 if name == "conv3_3_norm" else 2
            self.add_module(f"{name}_mbox_conf", nn.Conv2d(width, classes, 3, padding=1))
            self.add_module(f"{name}_mbox_loc", nn.Conv2d(width, 4, 3, padding=1))

    def forward(self, image: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Score every anchor.

        Args:
            image: Float ``(n, 3, h, w)``, BGR, 0..255, with the channel means subtracted.

        Returns:
            Six face probabilities ``(n, h_i, w_i)`` and six raw box offsets ``(n, 4, h_i, w_i)``,
            finest level first.
        """
        scores, offsets = [], []
        for (name, _), x in zip(SOURCES, self._levels(image), strict=True):
            conf = self.get_submodule(f"{name}_mbox_conf")(x)
            background = conf[:, :-1].amax(dim=1)
            scores.append(torch.sigmoid(conf[:, -1] - background))
            offsets.append(self.get_submodule(f"{name}_mbox_loc")(x))
        return scores, offsets

    def _levels(self, x: torch.Tensor) -> list[torch.Tensor]:
        levels = []
        for stage, (count, _) in enumerate(STAGES, start=1):
            for index in range(1, count + 1):
                x = torch.relu(self.get_submodule(f"conv{stage}_{index}")(x))
            if stage >= 3:
                levels.append(self.get_submodule(f"conv{stage}_{count}_norm")(x))
            x = functional.max_pool2d(x, 2)
        for pair in (("fc6", "fc7"), ("conv6_1", "conv6_2"), ("conv7_1", "conv7_2")):
            for name in pair:
                x = torch.relu(self.get_submodule(name)(x))
            levels.append(x)
        return levels

"""The one building block of every generator: convolution, batch norm, ReLU, optional shortcut."""

from collections.abc import Iterator

import torch
from torch import nn

Size = int | tuple[int, int]


class ConvBlock(nn.Module):
    """A convolution (plain or transposed) with batch norm, an optional shortcut and a ReLU.

    Tensor names follow the public Wav2Lip checkpoint: ``conv_block.0`` is the convolution,
    ``conv_block.1`` the batch norm.

    Attributes:
        shortcut: The input is added before the ReLU.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        *,
        stride: Size = 1,
        padding: int = 1,
        shortcut: bool = False,
        output_padding: int | None = None,
    ) -> None:
        """Build the block.

        Args:
            channels_in: Channels of the input.
            channels_out: Channels of the output.
            kernel: Height and width of the square kernel.
            stride: Stride, one number or (vertical, horizontal).
            padding: Zeros on every side.
            shortcut: Add the input to the output before the ReLU.
            output_padding: Makes the convolution a transposed one, with these extra rows and
                columns.
        """
        super().__init__()
        conv: nn.Module
        if output_padding is None:
            conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding)
        else:
            conv = nn.ConvTranspose2d(
                channels_in, channels_out, kernel, stride, padding, output_padding
            )
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(channels_out))
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block to float ``(n, channels_in, h, w)``."""
        y: torch.Tensor = self.conv_block(x)
        return torch.relu(y + x if self.shortcut else y)


def shortcuts(channels: int, count: int) -> Iterator[ConvBlock]:
    """Yield ``count`` blocks of ``channels`` that keep size and channels and add their input."""
    for _ in range(count):
        yield ConvBlock(channels, channels, shortcut=True)

"""Cell or background: the map that goes with a distance or a flow."""

import numpy as np


def encode_foreground(labels: np.ndarray) -> np.ndarray:
    """1 where there is a cell, (1, H, W) float32."""
    return (labels > 0).astype(np.float32)[None]


def loss(logits, maps):
    """Dice (MONAI) and binary cross entropy of the foreground."""
    from monai.losses import DiceLoss
    from torch.nn.functional import binary_cross_entropy_with_logits

    return DiceLoss(sigmoid=True)(logits, maps) + binary_cross_entropy_with_logits(logits, maps)

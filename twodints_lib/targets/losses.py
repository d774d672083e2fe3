"""What a network is asked to lower while it learns to draw a part: logits, maps (B, C, H, W).

A function here has the name of its part in heads.PARTS.
"""

import torch.nn.functional as F
from monai.losses import DiceCELoss, DiceLoss
from torch import Tensor

_class_loss = DiceCELoss(include_background=True, softmax=True)
_foreground_dice = DiceLoss(sigmoid=True)


def classes(logits: Tensor, maps: Tensor) -> Tensor:
    """Dice and cross entropy of the three classes, background included (paper, 3.2; MONAI)."""
    return _class_loss(logits, maps)


def foreground(logits: Tensor, maps: Tensor) -> Tensor:
    """Dice (MONAI) and binary cross entropy of cell against background."""
    return _foreground_dice(logits, maps) + F.binary_cross_entropy_with_logits(logits, maps)


def distance(logits: Tensor, maps: Tensor) -> Tensor:
    """Five times the mean absolute error of the distance."""
    return 5 * F.l1_loss(logits.sigmoid(), maps)


def flow(logits: Tensor, maps: Tensor) -> Tensor:
    """Five times the mean square error of the flow."""
    return 5 * F.mse_loss(logits, maps)

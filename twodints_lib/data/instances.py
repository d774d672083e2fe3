"""Whether numbers in a file are instance labels, an id a cell, or have lost that on their way."""

import numpy as np

WINDOW = 4096  # pixels: a slide is looked at in parts
MASK = 16  # classes of a mask at most; a grey image has more


def fault(ids: np.ndarray) -> str:
    """Why (H, W) integer ids are no instance labels, as the rest of a sentence; "" where they are.

    Cells may lie in a few pieces and ids may have gaps. What no cells do: one id lies in many
    pieces of like size (a mask, a semantic map, a photograph), ids start again after 255, or one
    id is around all others as a background is.
    """
    for y in range(0, ids.shape[0], WINDOW):
        for x in range(0, ids.shape[1], WINDOW):
            if found := _fault(ids[y : y + WINDOW, x : x + WINDOW]):
                return found
    return ""


def relabelled(mask: np.ndarray) -> np.ndarray:
    """A mask (H, W) of one or a few classes as instances: each connected piece gets its own id.

    Pieces that meet at a corner are one; cells that touch become one, which no mask can tell.
    """
    from skimage.measure import label

    return label(mask, background=0, connectivity=2).astype(np.int32)


def _fault(ids) -> str:
    area, own = _pieces(ids)
    if not len(own):
        return ""
    names, index = np.unique(own, return_inverse=True)
    largest = np.zeros(len(names))
    np.maximum.at(largest, index, area)
    # What split a cell leaves crumbs beside it; pieces of like size are cells of their own.
    pieces = np.bincount(index[4 * area >= largest[index]])
    if around := _background(ids):
        return f"id {around} surrounds the others as a background does; give 0 to the background"
    worst, most = names[pieces.argmax()], pieces.max()
    if len(names) == 1:
        many = most >= (2 if worst == 255 else 3)
    else:
        many = most >= 8 or (most >= 4 and pieces.sum() > 2 * len(names))
    if many and len(names) > MASK and pieces.sum() > 2 * len(names):
        return (
            f"its {len(names)} values lie in {pieces.sum()} separate pieces, as in a photograph; "
            "give the labels"
        )
    if names[-1] == 255 and len(names) >= 250 and (pieces > 1).sum() >= 5:
        return "its ids start again after 255 (8 bits); save them with 16 bits"
    if many:
        return (
            f"id {worst} lies in {most} separate pieces, as in a mask; give each cell an id of its "
            "own (--relabel makes one of each piece)"
        )
    return ""


def _pieces(ids) -> tuple[np.ndarray, np.ndarray]:
    """The area and the id of each connected piece."""
    from skimage.measure import label

    parts = label(ids, background=0, connectivity=2)
    area = np.bincount(parts.ravel())
    own = np.zeros(len(area), np.int64)
    own[parts.ravel()] = ids.ravel()
    return area[1:], own[1:]


def _background(ids) -> int:
    """The id that covers most of the image, reaches all four sides and has others in it; else 0."""
    sides = [set(np.unique(s).tolist()) for s in (ids[0], ids[-1], ids[:, 0], ids[:, -1])]
    for name in set.intersection(*sides) - {0}:
        inside = ids == name
        if inside.mean() > 0.5 and len(_pieces(np.where(inside, 0, 1))[0]) >= 2:
            return int(name)
    return 0

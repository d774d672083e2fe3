"""Shapes, sizes and places of simulated cells: everything about a scene that is not optics.

An outline is an (m, 2) array of (row, column) points round the origin, in pixels. A scene is an
instance label image (H, W) uint16 with ids 1..n, and a `thick` array (n + 1,) that says which
cells have rounded up. The numbers of each Population were measured on micro4.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage
from skimage import draw


@dataclass(frozen=True)
class Population:
    """One kind of culture or tissue; an image shows one."""

    share: float  # of the modality's images
    density: float  # median of the images, cells per megapixel
    density_sd: float  # between images, standard deviation of the natural logarithm
    diameter: float  # of the equivalent circle at the median density, pixels
    diameter_sd: float  # between cells of one image, natural logarithm
    small: float  # share of cells that are fragments, 0.4 of the size of the rest
    aspect: tuple  # minor / major axis: its 5, 25, 50, 75 and 95 % quantiles
    outline: str  # smooth, lobed, disc, adherent or rough
    touch_power: float = 1.0  # the touching share of this kind is dial ** power
    align: float = 9.0  # spread of the long axes round one direction, radian (9: none)
    patchy: float = 0.0  # 0: cells lie anywhere; 1: in patches, with bare ground between


NUCLEI, ROUND = (0.42, 0.60, 0.72, 0.83, 0.95), (0.62, 0.84, 0.91, 0.96, 0.99)
SPINDLES, TISSUE = (0.18, 0.33, 0.48, 0.64, 0.85), (0.31, 0.48, 0.64, 0.79, 0.92)
POPULATIONS = {
    "brightfield": {
        "smear": Population(0.38, 420, 0.35, 22, 0.30, 0.09, NUCLEI, "lobed", 0.95, patchy=0.6),
        "violet": Population(0.27, 520, 0.45, 17.2, 0.34, 0.06, TISSUE, "smooth", 1, 0.5, 0.8),
        "pink": Population(0.11, 230, 0.40, 28, 0.30, 0.06, TISSUE, "smooth", 1.3, 0.6, 0.3),
        "cytology": Population(0.24, 170, 0.40, 13, 0.42, 0.10, NUCLEI, "smooth", 0.9, patchy=0.9),
    },
    "fluorescence": {
        "small nuclei": Population(0.27, 220, 0.50, 16.2, 0.26, 0.12, NUCLEI, "smooth", 1.0),
        "monolayer": Population(0.30, 290, 0.50, 28.5, 0.20, 0.04, NUCLEI, "smooth", 0.95),
        "dim": Population(0.22, 105, 0.35, 39, 0.22, 0.05, NUCLEI, "smooth", 1.0),
        "large": Population(0.21, 180, 0.15, 47, 0.15, 0.12, NUCLEI, "smooth", 1.0),
    },
    "phase-contrast": {
        "adherent": Population(1, 105, 0.33, 54, 0.31, 0.04, SPINDLES, "adherent", 1.05),
    },
    "DIC": {
        "CHO": Population(0.79, 12.5, 0.20, 52, 0.11, 0.0, ROUND, "rough", 1.6),
        "RBC": Population(0.21, 104, 0.15, 61, 0.18, 0.03, ROUND, "disc", 0.9, patchy=0.5),
    },
}


MODALITIES = tuple(POPULATIONS)


def smooth_outline(
    rng: np.random.Generator, aspect: float, waviness: float, blebs: float = 0.0
) -> np.ndarray:
    """An ellipse of the given minor / major axis that wavers by low harmonics, with blebs."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = 1 / np.hypot(np.cos(angle), np.sin(angle) / aspect)
    for k in range(2, 6):
        radius *= 1 + waviness / k * rng.normal() * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    radius *= 1 + blebs * ndimage.gaussian_filter1d(rng.normal(size=64), 1.0, mode="wrap")
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.column_stack([y + rng.normal(0, 0.15) * (x**2 - 0.5) * aspect, x])


def adherent_outline(rng: np.random.Generator, aspect: float) -> np.ndarray:
    """A cell pulled out to two to five tips where it holds on, drawn in between, ruffled."""
    tips = rng.choice([2, 3, 4, 5], p=[0.36, 0.4, 0.18, 0.06])
    at = (np.arange(tips) + rng.uniform(-0.25, 0.25, tips)) * 2 * np.pi / tips
    reach, sharp = rng.lognormal(0, 0.25, tips), rng.uniform(2, 5)
    waist = np.clip(rng.normal(0.46, 0.14), 0.22, 0.85)
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    away = np.abs((angle[:, None] - at + np.pi) % (2 * np.pi) - np.pi) * tips / np.pi
    pull = np.clip(1.04 - 1.04 * away, 0, 1) ** sharp  # (120, tips): 1 at a tip, 0 between two
    radius = waist + ((reach - waist).clip(0.05) * pull).sum(axis=1)
    ruffle = ndimage.gaussian_filter1d(rng.normal(size=120), 1.2, mode="wrap")
    radius *= 1 + rng.choice([0.03, 0.12], p=[0.65, 0.35]) * ruffle
    x, y = radius * np.cos(angle), radius * np.sin(angle) * min(1.0, aspect * 1.25)
    return np.column_stack([y + rng.normal(0, 0.15) * (x**2 - 0.4), x])


def draw_cell(
    rng: np.random.Generator, kind: Population, diameter: float, direction: float
) -> tuple[np.ndarray, float]:
    """One cell's outline (m, 2), scaled to its area and turned, and how far it has rounded up."""
    at = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)
    aspect = np.interp(rng.random(), at, (0.7 * kind.aspect[0], *kind.aspect, 1))
    thick = 0.0
    if kind.outline == "adherent":
        points = adherent_outline(rng, aspect)
        if rng.random() < 0.04:  # about to divide, or dying: it lets go and becomes a ball
            points, thick, diameter = smooth_outline(rng, 0.9, 0.04), 1.0, 0.42 * diameter
    elif kind.outline == "rough":
        points = smooth_outline(rng, aspect, 0.05, rng.choice([0.03, 0.09]))
    else:
        waviness = {"disc": 0.05, "smooth": 0.1, "lobed": rng.choice([0.1, 0.25])}[kind.outline]
        points = smooth_outline(rng, aspect, waviness)
    y, x = points.T
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    turn = direction + rng.uniform(-1, 1) * min(kind.align, np.pi)
    c, s = np.cos(turn), np.sin(turn)
    scale = diameter * np.sqrt(np.pi / 4 / area)
    return points @ np.array([[c, -s], [s, c]]) * scale, thick


def stamp(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An outline as a boolean patch (h, w), and the patch's middle; a rim of 2 pixels is empty."""
    low = np.floor(points.min(axis=0)).astype(int) - 2
    size = np.ceil(points.max(axis=0)).astype(int) + 3 - low
    patch = np.zeros(size, bool)
    patch[draw.polygon(*(points - low).T, shape=patch.shape)] = True
    return patch, -low


def window(
    shape: tuple[int, int], corner: np.ndarray, patch_shape: tuple[int, int]
) -> tuple | None:
    """The slices of an image and of a patch that lie over each other, or None."""
    low, high = np.maximum(corner, 0), np.minimum(corner + patch_shape, shape)
    if (high <= low).any():
        return None
    here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    there = tuple(slice(a, b) for a, b in zip(low - corner, high - corner, strict=True))
    return here, there


def settle(
    labels: np.ndarray, corner: np.ndarray, patch: np.ndarray, halo: np.ndarray, mates: list[int]
) -> tuple | None:
    """The pixels a cell would take, or None if it touches a stranger or keeps too little.

    It may lie under its mates, who keep their pixels; `halo` is the patch grown by one pixel.
    """
    over = window(labels.shape, corner, patch.shape)
    if over is None:
        return None
    here, there = over
    ground, wanted = labels[here], patch[there]
    near = ground[halo[there]]
    if near.any() and not np.isin(near[near > 0], mates).all():
        return None
    free = wanted & (ground == 0)
    total = wanted.sum()
    if total < max(12, 0.15 * patch.sum()) or free.sum() < 0.7 * total:
        return None
    parts, n = ndimage.label(free, np.ones((3, 3)))  # a mate or the image's edge may cut it
    if n > 1:
        free = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
        if free.sum() < 0.7 * total:
            return None
    return here, free


def lean_on(
    rng: np.random.Generator,
    labels: np.ndarray,
    centre: np.ndarray,
    reach: float,
    patch: np.ndarray,
    middle: np.ndarray,
) -> np.ndarray | None:
    """A corner from which the patch, slid towards a cell's centre, overlaps what it meets."""
    angle = rng.uniform(0, 2 * np.pi)
    step = np.array([np.sin(angle), np.cos(angle)])
    extent = max(patch.shape) / 2
    for distance in np.arange(reach + extent, 0, -max(1.0, extent / 8)):
        corner = np.round(centre + step * distance).astype(int) - middle
        over = window(labels.shape, corner, patch.shape)
        if over and np.count_nonzero(labels[over[0]][patch[over[1]]]) > 0.3 * extent:
            return corner
    return None


def clusters(rng: np.random.Generator, count: int, touching: float) -> list[int]:
    """Sizes of the groups that `count` cells form when that share of them touches another."""
    left = int(touching * count + rng.random())
    left += (1 if rng.random() < 0.5 else -1) if left == 1 else 0
    sizes = []
    while left >= 2 and sum(sizes) + 2 <= count:
        size = min(left, 2 + rng.geometric(0.45) - 1)
        size += left - size == 1  # nobody touches alone
        sizes.append(int(size))
        left -= size
    return sizes + [1] * (count - sum(sizes))


def scatter(
    rng: np.random.Generator,
    kind: Population,
    shape: tuple[int, int],
    touching: float,
    density: float,
) -> tuple[np.ndarray, np.ndarray]:
    """A scene of one population: labels (H, W) uint16, ids 1..n, and thick (n + 1,).

    `touching` is the share of cells that touch another, `density` a multiplier. The first two
    cells lie clear of the image's frame where it is large enough, for the official metric drops
    cells on the frame. Cells that find no room after many tries are left out.
    """
    crowd = np.clip(rng.normal(), -1.7, 1.7) * kind.density_sd
    expected = kind.density * np.exp(crowd) * shape[0] * shape[1] / 1e6 * density
    base = kind.diameter * np.exp(-0.35 * crowd + rng.normal(0, 0.06))  # crowded cells are small
    room = min(1.5 * shape[0] * shape[1] / base**2, 60000)  # as many as could ever fit
    count = 0 if density == 0 else int(min(max(2, expected + rng.random()), room))
    spread = np.clip(touching**kind.touch_power, 0, 1)
    spread = np.clip(spread + rng.normal(0, 0.6) * spread * (1 - spread), 0, 1)
    direction = rng.uniform(0, np.pi)
    patches = rng.random((5, 5)) < 1 - 0.6 * kind.patchy  # where the ground is inhabited
    labels, thick, centres = np.zeros(shape, np.uint16), [0.0], {}

    def add(mates) -> int:
        for attempt in range(60):
            if attempt % 6 == 0:
                size = base * np.exp(rng.normal(0, kind.diameter_sd))
                size *= 0.4 if rng.random() < kind.small else 1.0
                points, ball = draw_cell(rng, kind, size, direction)
                patch, middle = stamp(points)
                halo = ndimage.binary_dilation(patch, np.ones((3, 3)))
            if mates:
                mate = mates[rng.integers(len(mates))]
                corner = lean_on(rng, labels, *centres[mate], patch, middle)
                if corner is None:
                    continue
            else:
                spot = rng.uniform(-0.25 * size, np.array(shape) + 0.25 * size)
                cell = np.clip(spot / shape * 5, 0, 4).astype(int)
                if not patches[tuple(cell)] and attempt < 40:
                    continue
                corner = spot.astype(int) - middle
            whole = (corner >= 1).all() and (corner + patch.shape <= np.array(shape) - 1).all()
            if len(thick) <= 2 and not whole and attempt < 50:
                continue
            taken = settle(labels, corner, patch, halo, mates)
            if taken is not None:
                number = len(thick)
                labels[taken[0]][taken[1]] = number
                thick.append(ball)
                centres[number] = (corner + middle, np.abs(points).max())
                return number
        return 0

    for group in clusters(rng, count, spread):
        mates: list[int] = []
        for _ in range(group):
            number = add(mates)
            if number:
                mates.append(number)
    return labels, np.array(thick)


def depth_map(labels: np.ndarray) -> np.ndarray:
    """Distance (H, W) of each cell pixel to its own cell's edge, 1 at the edge; 0 outside."""
    edge = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    inside = labels > 0
    depth = ndimage.distance_transform_edt(inside & ~edge) if edge.any() else inside * 99.0
    return ((depth + 1) * inside).astype(np.float32)


def relative_depth(labels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Depth (H, W) divided by each cell's deepest: 0 outside, 1 at a cell's middle."""
    deepest = np.ones(int(labels.max()) + 1, np.float32)
    np.maximum.at(deepest, labels.ravel(), depth.ravel())
    return depth / deepest[labels]


def per_cell(rng: np.random.Generator, labels: np.ndarray, low: float, high: float) -> np.ndarray:
    """One number per cell, log-uniform in low..high, spread over its pixels (H, W)."""
    values = np.exp(rng.uniform(np.log(low), np.log(high), int(labels.max()) + 1))
    return values.astype(np.float32)[labels]


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Random field (H, W) float32, mean 0 and variance 1, smooth over `scale` pixels."""
    spectrum = fft.rfft2(rng.standard_normal(shape, np.float32))
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])
    spectrum *= np.exp(-2 * (np.pi * scale) ** 2 * (y**2 + x**2)).astype(np.float32)
    spectrum[0, 0] = 0
    field = fft.irfft2(spectrum, s=shape)
    return field / max(field.std(), 1e-6)


def sheets(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Thickness (H, W) of a few large angular flakes of cytoplasm, lying over one another."""
    field, pixels = np.zeros(labels.shape, np.float32), np.argwhere(labels)
    for _ in range(3 if len(pixels) else 0):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radius = rng.uniform(35, 85) * rng.uniform(0.8, 1.1, 9)
        points = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
        patch, middle = stamp(points)
        over = window(labels.shape, pixels[rng.integers(len(pixels))] - middle, patch.shape)
        if over:
            field[over[0]] += patch[over[1]] * rng.uniform(0.3, 1.4)
    return field


def between_cells(rng: np.random.Generator, kind: str, labels: np.ndarray) -> np.ndarray:
    """Dye (H, W) in what is not a nucleus: fibres and plasma in tissue, thin sheets in cytology."""
    shape = labels.shape
    warp, fine = smooth_noise(rng, shape, 14), smooth_noise(rng, shape, 1.5)
    if kind == "cytology":  # whole squamous cells, flat as paper, round some of the nuclei
        specks = np.clip(fine - 2, 0, None)
        return sheets(rng, labels) * np.clip(1 + 0.2 * warp + 0.1 * fine + specks, 0.3, None)
    y, x = np.mgrid[: shape[0], : shape[1]] * (rng.normal(size=(2, 1, 1)) / 6)
    fibres = np.abs(np.sin(y + x + 1.2 * warp + 0.7 * smooth_noise(rng, shape, 4))) + 0.2 * fine
    if kind == "smear":
        return np.clip(0.25 + 0.5 * np.clip(warp, 0, 1) * fibres + 0.05 * fine, 0, None)
    bare = np.clip(5 * smooth_noise(rng, shape, 25) - 8, 0, 1)
    depth = 0.12 if kind == "violet" else 0.35
    return np.clip(1 + depth * (fibres - 0.7) + 0.12 * warp, 0, None) * (1 - 0.6 * bare)

"""The modality lab: labelled microscopy images made from what gives each modality its contrast.

One function per contrast mechanism turns a scene of cells (`cells.scatter`) into light, a float of
1.0 at the camera's full scale. `simulate` makes one image, `make_simulated` a whole data set.
"""

from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from twodints_lib.errors import InputError
from twodints_lib.files import pixel_hash, whole_folder, write_csv, write_pair
from twodints_lib.lab import cells
from twodints_lib.lab.cells import (
    MODALITIES,
    depth_map,
    per_cell,
    relative_depth,
    smooth_noise,
)

TOUCHING = {"brightfield": 0.40, "fluorescence": 0.33, "phase-contrast": 0.45, "DIC": 0.25}
SHORT = {"brightfield": "bf", "fluorescence": "fl", "phase-contrast": "pc", "DIC": "dic"}
# At 384 pixels the sparse cultures show at least two cells at the density they really have.
SIZES = {m: (384, 384) if m in ("phase-contrast", "DIC") else (256, 256) for m in MODALITIES}


@dataclass(frozen=True)
class Dials:
    """What makes an image hard, one dial each; the multipliers are 1.0 as in real images."""

    touching: float  # share of the cells that touch another one, 0..1
    density: float  # times the cells per area measured on micro4; 0 gives an empty image
    blur: float  # times the width of the point spread function; 0 is perfectly sharp
    contrast: float  # times the cells' signal (light, absorbance, or relief against the ground)
    noise: float  # times the standard deviation of the camera's noise; 0 is a perfect camera


def default_dials(modality: str) -> Dials:
    """The dials of real images: the modality's touching share on micro4, all else 1.0."""
    _check(modality in MODALITIES, f"modality {modality!r} is unknown; give one of {MODALITIES}.")
    return Dials(TOUCHING[modality], 1.0, 1.0, 1.0, 1.0)


def blur(light: np.ndarray, sigma: float) -> np.ndarray:
    """Blur rows and columns by a Gaussian point spread function of `sigma` pixels."""
    return ndimage.gaussian_filter(light, (sigma, sigma) + (0,) * (light.ndim - 2), truncate=3.0)


def dots(
    rng: np.random.Generator,
    shape: tuple[int, int],
    count: int,
    width: float,
    where: np.ndarray | None = None,
) -> np.ndarray:
    """`count` round spots (H, W) of `width` pixels and height about 1, on pixels of `where`."""
    field = np.zeros(shape, np.float32)
    pool = np.arange(field.size) if where is None else np.flatnonzero(where)
    if len(pool) and count:
        field.ravel()[rng.choice(pool, count)] = rng.uniform(0.4, 1.4, count)
    return blur(field, width) * (2 * np.pi * width**2)


def camera(
    rng: np.random.Generator, light: np.ndarray, electrons: float, noise: float, dtype: str
) -> np.ndarray:
    """Count photons into numbers of `dtype`: a full well of `electrons` is full scale.

    Noise is Poisson's, which dominates, and 12 electrons of reading; the dial scales the standard
    deviation of both, for the light is counted with electrons / noise**2.
    """
    light = np.clip(light, 0, 1.5)
    if noise > 0.001:
        well, read = electrons / noise**2, 12 / electrons * noise
        light = rng.poisson(light * well) / well + rng.normal(0, read, light.shape)
    return np.round(np.clip(light, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def fluorescence(
    rng: np.random.Generator, kind: str, labels: np.ndarray, dials: Dials
) -> np.ndarray:
    """Light emitted by a dye in the nuclei, (H, W): dark ground, every nucleus its own brightness.

    Emission is proportional to dye times thickness. The lens blurs it, and light from above and
    below the focal plane adds a haze. Bright specks are unbound dye.
    """
    shape, depth = labels.shape, depth_map(labels)
    usual = {"small nuclei": 0.24, "monolayer": 0.3, "dim": 0.15, "large": 0.11}
    level = usual[kind] * rng.lognormal(0, 0.25)
    grain = smooth_noise(rng, shape, 1.3 if kind == "small nuclei" else 2.2)
    spots = dots(rng, shape, 5 * int(labels.max()), 1.3, depth > 3) * rng.uniform(0, 0.5)
    expression = per_cell(rng, labels, 0.55, 1.5) * (1 + (per_cell(rng, labels, 1, 60) > 58) * 2)
    dome = 1 - 0.45 * np.exp(-depth / 3.5)
    dye = (labels > 0) * expression * dome * np.clip(1 + 0.17 * grain + spots, 0.3, None)
    dye += dots(rng, shape, rng.poisson(0.8), rng.uniform(1, 2)) * rng.uniform(1, 4)
    haze = 0.06 * blur(dye, 9) + 0.03 * blur(dye, 30)
    ground = level * rng.uniform(0.03, 0.2) * (1 + 0.1 * smooth_noise(rng, shape, 60))
    return ground + dials.contrast * level * (blur(dye, rng.uniform(0.9, 1.4) * dials.blur) + haze)


def absorb(light: np.ndarray | float, dye: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Beer-Lambert: light (3,) passed by dye (H, W) of absorbance `spectrum` (3,): (H, W, 3)."""
    return light * np.exp(-dye[..., None] * np.log(10) * spectrum).astype(np.float32)


STAINS = {  # clear light, absorbance of dyed nuclei, absorbance of the ground, for R, G and B
    "smear": ((0.83, 0.84, 0.855), (0.22, 0.46, 0.13), (0.03, 0.04, 0.02)),
    "violet": ((0.82, 0.78, 0.87), (0.22, 0.48, 0.03), (0.08, 0.11, 0.03)),
    "pink": ((0.92, 0.90, 0.93), (0.17, 0.24, 0.04), (0.06, 0.26, 0.11)),
    "cytology": ((0.90, 0.90, 0.90), (0.29, 0.29, 0.29), (0.12, 0.12, 0.12)),
}


def brightfield(
    rng: np.random.Generator, kind: str, labels: np.ndarray, dials: Dials
) -> np.ndarray:
    """Light left over after a stain has absorbed some, (H, W, 3): dark cells on a bright ground.

    Absorbance is dye times path. Nuclear dye sits in the rim and in clumps of chromatin; the
    second dye colours the tissue between. Red, green and blue focus a little apart.
    """
    shape, depth = labels.shape, depth_map(labels)
    clear, nuclear, ground = (np.array(s) for s in STAINS[kind])
    nuclear = nuclear * rng.normal(1, 0 if kind == "cytology" else 0.06, 3)  # no two stain alike
    dose = per_cell(rng, labels, 0.5, 2.6).clip(0, 1.6)
    rim = np.clip(per_cell(rng, labels, 0.05, 1.6) - 0.3, 0, 0.9) / dose.clip(0.7)
    clumps = smooth_noise(rng, shape, 1.6) + 0.6 * smooth_noise(rng, shape, 4)
    chromatin = 1 - 0.35 * rim + 0.8 * rim * np.exp(-(((depth - 2) / 1.5) ** 2))
    chromatin -= 0.35 * np.exp((1 - depth) / 0.8)  # thinner at the edge: a crease where two meet
    dye = (labels > 0) * dose * chromatin * np.clip(1 + (0.12 + 0.3 * rim) * clumps, 0.15, None)
    # Nuclei above or below the section's focus: seen, but nobody would outline them.
    ghosts = np.clip(smooth_noise(rng, shape, 6) - rng.uniform(1.3, 2.2), 0, 0.45) * (labels == 0)
    dye += ghosts * rng.uniform(0.3, 1) * (kind != "cytology")
    focus = rng.uniform(0.8, 1.5) * dials.blur
    light = absorb(clear, blur(cells.between_cells(rng, kind, labels), focus), ground)
    light *= absorb(1.0, blur(dye, focus) * dials.contrast, nuclear)
    for c, off in enumerate((0.5, 0.0, 0.4)):  # chromatic aberration
        light[..., c] = blur(light[..., c], off * dials.blur)
    return light


def phase_contrast(
    rng: np.random.Generator, thick: np.ndarray, labels: np.ndarray, dials: Dials
) -> np.ndarray:
    """Zernike: optical path turned into brightness, (H, W): thin cells dark with a bright halo.

    A cell delays light by `path` radian. The ring in the lens dims and shifts the undiffracted
    light by a quarter wave, but catches light diffracted by little too: hence the halo outside
    and the shade-off inside. Where path nears pi, in a cell that has rounded up, dark turns bright.
    """
    shape, depth = labels.shape, depth_map(labels)
    inside, middle, ball = labels > 0, relative_depth(labels, depth), thick[labels]
    flat = 0.19 * per_cell(rng, labels, 0.6, 1.6) * (1 - np.exp(-depth / 1.5))
    dome = np.sqrt(np.clip(middle * (2 - middle), 0, 1))
    body = per_cell(rng, labels, 0.03, 0.7) * dome  # some cells lie flat, some stand up
    rough = 0.025 * smooth_noise(rng, shape, 1.2) + 0.06 * smooth_noise(rng, shape, 3.5)
    path = inside * (flat + body + rough * (0.3 + middle)) * (1 - ball)
    path += ball * 4.4 * dome
    count, thin, core = len(thick) - 1, inside & (ball == 0), (middle > 0.5) & (ball == 0)
    path -= 0.2 * thin * np.clip((middle - 0.4) / 0.5, 0, 1)  # the nucleus is watery
    path += 0.32 * dots(rng, shape, 8 * count, 1.2, core)  # vesicles
    path -= 0.4 * dots(rng, shape, rng.poisson(2) * count // 4, 1.5, core)  # fat
    path += 0.22 * dots(rng, shape, 8 * count, 1.6, thin & (depth < 4))  # ruffles at the edge
    path += 0.15 * dots(rng, shape, rng.poisson(inside.size / 5000), 1.3)  # debris
    path = blur(path, 0.7 * dials.blur)
    wave = np.exp(1j * path).astype(np.complex64)
    direct, ring = 0.7 * blur(wave, 3.2) + 0.3 * blur(wave, 9.0), 0.55  # what the ring catches
    light = np.abs(wave - direct - 1j * ring * direct) ** 2 / ring**2
    uneven = 0.02 * smooth_noise(rng, shape, 50) + 0.008 * smooth_noise(rng, shape, 1.5)
    return 0.49 + uneven + 0.5 * dials.contrast * (light - 1)


def interference(
    rng: np.random.Generator, kind: str, labels: np.ndarray, dials: Dials
) -> np.ndarray:
    """DIC: two beams a shear apart, (H, W): slopes of the optical path, lit from one side.

    Light is (1 - cos(difference + bias)) / 2, the difference in radian: bright where the path
    rises along the shear, dark where it falls, grey where it is level, so a cell is all edge.
    """
    shape, depth = labels.shape, depth_map(labels)
    middle = relative_depth(labels, depth)  # 0 at a cell's edge, 1 in its middle
    dome = np.sqrt(np.clip(middle * (2 - middle), 0, 1))
    if kind == "CHO":  # balls: steep flanks, full of granules
        grains = smooth_noise(rng, shape, 0.8) + 1.2 * smooth_noise(rng, shape, 1.6)
        path = 9 * dome * per_cell(rng, labels, 0.7, 1.3) + 0.28 * (labels > 0) * grains
        level, angle, speck = rng.uniform(0.31, 0.4), 0.25 * np.pi, 0.15
    else:  # discs: flat but for the rim; a rare dead cell is rough
        dead = per_cell(rng, labels, 1, 60) > 55
        path = (1 - np.exp(-depth / 1.5)) * 0.5 * per_cell(rng, labels, 0.7, 1.5)
        path += (labels > 0) * (0.04 + 0.5 * dead) * smooth_noise(rng, shape, 2.5)
        level, angle, speck = rng.uniform(0.5, 0.64), 0.9 * np.pi, 0.25
    path = blur(path, 0.8 * dials.blur)
    ahead = ndimage.shift(path, (-np.sin(angle), -np.cos(angle)), order=1, mode="nearest")
    phase = np.arccos(1 - 2 * level) + 1.3 * (ahead - path)
    light = (1 - np.cos(np.clip(phase, 0, np.pi))) / 2
    y, x = np.mgrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    ramp = 0.04 * (rng.normal() * y + rng.normal() * x) + 0.003 * smooth_noise(rng, shape, 40)
    dust = 0.03 * dots(rng, shape, rng.poisson(2), 5.0)  # far out of focus, on the glass
    dust += speck * dots(rng, shape, rng.poisson(3), 1.3)
    return level + ramp - dust + dials.contrast * (light - level)


MECHANISMS = {  # and the full well of the camera, electrons
    "brightfield": (brightfield, 9000),
    "fluorescence": (fluorescence, 6000),
    "phase-contrast": (phase_contrast, 6000),
    "DIC": (interference, 20000),
}


def _check(good, sentence):
    if not good:
        raise InputError(sentence)


def _whole(value, low=0) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= low


def _check_arguments(modality, seed, size, dials, dtype, channels):
    _check(modality in MODALITIES, f"modality is {modality!r}; give one of {MODALITIES}.")
    _check(_whole(seed), f"seed is {seed!r}; give a whole number of 0 or more.")
    good = isinstance(size, (tuple, list)) and len(size) == 2 and all(_whole(n, 1) for n in size)
    _check(good, f"size is {size!r}; give (height, width), two whole numbers above 0.")
    _check(isinstance(dials, Dials), f"dials is {dials!r}; give Dials, or None for the real ones.")
    for field, value in zip(fields(Dials), astuple(dials), strict=True):
        most = 1 if field.name == "touching" else 100
        good = isinstance(value, (int, float, np.number)) and 0 <= value <= most
        _check(good, f"dials.{field.name} is {value!r}; give a number from 0 to {most}.")
    _check(dtype in ("uint8", "uint16"), f"dtype is {dtype!r}; give 'uint8' or 'uint16'.")
    _check(channels in (None, 1, 3), f"channels is {channels!r}; give 1, 3 or None.")


def simulate(
    modality: str,
    seed: int,
    size: tuple[int, int] = (256, 256),
    dials: Dials | None = None,
    dtype: str = "uint8",
    channels: int | None = None,
) -> tuple:
    """One labelled image: image (H, W) or (H, W, 3) of `dtype`, labels (H, W) uint16, ids 1..n.

    `seed` decides everything, and the blur, contrast and noise dials leave the cells where they
    are. `dials` None means as in real images; `channels` None means the modality's own, 3 for
    brightfield and 1 otherwise. Raises InputError naming the argument that cannot be used.
    """
    dials = default_dials(modality) if dials is None else dials
    _check_arguments(modality, seed, size, dials, dtype, channels)
    root = np.random.SeedSequence([int(seed), MODALITIES.index(modality)])
    scene, optics, sensor = (np.random.Generator(np.random.PCG64(s)) for s in root.spawn(3))
    kinds = cells.POPULATIONS[modality]
    # Steps of the golden ratio: seeds in a row show a modality's kinds in their true shares.
    shares = np.cumsum([k.share for k in kinds.values()])
    kind = list(kinds)[np.argmax(shares > int(seed) % 2**32 * 0.6180339887 % 1)]
    labels, thick = cells.scatter(scene, kinds[kind], tuple(size), dials.touching, dials.density)
    mechanism, electrons = MECHANISMS[modality]
    light = mechanism(optics, thick if modality == "phase-contrast" else kind, labels, dials)
    if light.ndim == 3 and (kind == "cytology" or channels == 1):
        light = light.mean(axis=2)
    image = camera(sensor, light, electrons, dials.noise, dtype)
    if image.ndim == 2 and (channels == 3 or channels is None and modality == "brightfield"):
        image = np.repeat(image[..., None], 3, axis=2)
    return image, labels


def image_seed(seed: int, modality: str, index: int) -> int:
    """The seed of a data set's image `index` (from 1), to make that image again alone."""
    start = np.random.SeedSequence([int(seed), MODALITIES.index(modality)])
    return int(start.generate_state(1)[0]) + int(index)


def make_simulated(
    folder: str | Path,
    train: int = 30,
    val: int = 8,
    seed: int = 2022,
    sizes: dict[str, tuple[int, int]] = SIZES,
) -> Path:
    """Write `train` + `val` images of every modality to `folder`, in micro4's shape.

    `folder` gets manifest.csv and {train,val}/{images,labels}; it must not exist yet, and appears
    only when all is written. `sizes` gives each modality's (height, width). Phase contrast is 16
    bit, and so is every sixth fluorescence image; brightfield without colour is stored grey.
    """
    folder = Path(folder)
    _check(not folder.exists(), f"folder {folder} exists already; remove it or give another.")
    _check(_whole(train, 1), f"train is {train!r}; give a whole number above 0.")
    _check(_whole(val), f"val is {val!r}; give a whole number of 0 or more.")
    for name in MODALITIES:  # before the work, not in the midst of it
        _check(name in sizes, f"sizes has no {name!r}; give its (height, width).")
        _check_arguments(name, seed, sizes[name], default_dials(name), "uint8", None)
    jobs, rows = [(m, i) for m in MODALITIES for i in range(1, train + val + 1)], []
    with whole_folder(folder) as partial:
        for modality, index in tqdm(jobs, desc="simulated", unit="image", mininterval=0.5):
            split, size = "train" if index <= train else "val", sizes[modality]
            rows.append(_write_one(partial, split, modality, index, seed, size))
        write_csv(partial / "manifest.csv", rows[0], [row.values() for row in rows])
    return folder


def _write_one(partial, split, modality, index, seed, size) -> dict:
    name = f"{SHORT[modality]}_{index:03d}"
    wide = modality == "phase-contrast" or (modality == "fluorescence" and index % 6 == 0)
    dtype = "uint16" if wide else "uint8"
    image, labels = simulate(modality, image_seed(seed, modality, index), size, dtype=dtype)
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = np.ascontiguousarray(image[..., 0])
    row = {
        "name": name,
        "split": split,
        "modality": modality,
        "image": f"{split}/images/{name}.png",
        "label": f"{split}/labels/{name}_label.tiff",
        "height": size[0],
        "width": size[1],
        "channels": 3 if image.ndim == 3 else 1,
        "dtype": dtype,
        "n_cells": int(labels.max()),
        "licence": "CC0-1.0",
        "sha256_image_pixels": pixel_hash(image),
        "sha256_label_pixels": pixel_hash(labels),
    }
    write_pair(row, partial, image, labels)
    return row

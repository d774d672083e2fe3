"""What of a file is used: its pages, channels and axes, chosen by the user, and said."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from twodints_lib.data.formats import Picture
from twodints_lib.data.images import IMAGE_SUFFIXES, image_files, is_label_name, read_picture
from twodints_lib.data.microscopes import READERS
from twodints_lib.errors import InputError

USED = 3  # channels that a network takes
# Images that a folder may hold beside those we read.
OTHERS = {
    *READERS, ".npy", ".npz", ".h5", ".hdf5", ".ims", ".lsm", ".oib", ".oif", ".vsi", ".svs",
    ".ndpi", ".dv", ".dcm", ".gif", ".webp", ".jp2", ".stk", ".mrc", ".nrrd", ".nii", ".gz",
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """`page` and `channels` count from 1, none means all; `axes` replaces a TIFF's, as "CYX"."""

    page: int | None = None
    channels: tuple[int, ...] = ()
    axes: str = ""


def read_view(path: Path, view: View = View()) -> Picture:
    """The chosen pages and channels of a file, with notes of what is used and what is not.

    InputError as read_pages(), and for a page or channel that the file has not.
    """
    picture = read_picture(path, view.axes)
    pages, notes = picture.pages, list(picture.notes)
    if len(pages) > 1 and view.page is None:
        notes.append(f"{len(pages)} pages (axes {picture.axes.replace('S', 'C')})")
    if view.page is not None:
        if not 1 <= view.page <= len(pages):
            raise InputError(f"--page {view.page}: {path} has pages 1 to {len(pages)}; take one.")
        notes.append(f"page {view.page} of {len(pages)}")
        pages = [pages[view.page - 1]]
        picture = replace(picture, axes="YX" + "S" * (pages[0].ndim == 3), lead=())
    held = pages[0].shape[2] if pages[0].ndim == 3 else 1
    chosen = view.channels or range(1, min(held, USED) + 1)
    if view.channels:
        wrong = [c for c in chosen if not 1 <= c <= held]
        if wrong or len(chosen) > USED:
            lack = f"{path} has channels 1 to {held}" if wrong else f"a network takes {USED}"
            raise InputError(f"--channels {_list(chosen)}: {lack}; choose others.")
        if held > 1:
            pages = [p[..., [c - 1 for c in chosen]] for p in pages]
            pages = [p[..., 0] if len(chosen) == 1 else p for p in pages]
    if held > USED or (view.channels and held > 1):
        how = "" if view.channels else ", the others left out (--channels chooses)"
        notes.append(f"channels {_list(chosen)} of {held}{how}")
    return replace(picture, pages=pages, notes=tuple(notes))


def list_images(paths: Iterable[Path]) -> list[Path]:
    """Image files, with every folder replaced by the images in it; label files there are none."""
    found = []
    for path in map(Path, paths):
        if path.is_dir() and path.suffix.lower() not in READERS:
            inside = image_files(path)
            if not inside:
                raise InputError(f"{path}: holds no images; give image files or their folder.")
            if not (pictures := [p for p in inside if not is_label_name(p)]):
                raise InputError(f"{path}: holds labels alone, by their names; give image files.")
            found += pictures
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{path}: no such image or folder; check the path.")
    return found


def left_out(paths: Iterable[Path]) -> list[str]:
    """What lies in the folders among `paths` and looks like images but is not used, with why."""
    said = []
    for folder in (p for p in map(Path, paths) if p.is_dir() and p.suffix.lower() not in READERS):
        for path in sorted(folder.glob("[!.]*")):
            kind = path.suffix.lower()
            if kind in READERS:
                said.append(f"{path.name} (name it to have it read)")
            elif kind in OTHERS:
                said.append(f"{path.name} (no kind that we read)")
            elif path.is_dir():
                if image_files(path):
                    said.append(f"{path.name}/ (a folder: give it too)")
            elif kind in IMAGE_SUFFIXES and is_label_name(path):
                said.append(f"{path.name} (labels, by its name)")
    return said


def _list(numbers) -> str:
    return ",".join(map(str, numbers))

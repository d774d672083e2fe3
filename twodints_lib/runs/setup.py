"""The set-up of a notebook or a command: a preset, a data set, a seed."""

from dataclasses import dataclass

from twodints_lib import messages
from twodints_lib.data.dataset import Dataset, Item, open_data
from twodints_lib.errors import InputError
from twodints_lib.runs import settings
from twodints_lib.runs.environment import commit


@dataclass(frozen=True)
class Setup:
    """What a notebook or a command works with: a preset, a data set, a seed."""

    preset: settings.Preset
    dataset: Dataset
    seed: int
    only: str | None = None  # one modality alone

    def train(self, modality: str | None = None) -> list[Item]:
        """Training images, at most the preset's number of each modality."""
        return self.dataset.split("train", modality or self.only, self.preset.images or None)

    def val(self, modality: str | None = None) -> list[Item]:
        """Validation images, at most the preset's number of each modality."""
        return self.dataset.split("val", modality or self.only, self.preset.images or None)

    def labelled(self, modality: str) -> list[Item]:
        """Training and validation images of one modality, wherever the split put them."""
        pool = self.train() + self.val()
        return [item for item in pool if item.modality == modality]

    @property
    def stamp(self) -> str:
        """One line under every figure and table: what made it, and what is not the preset's."""
        others = (f"{name}={value}" for name, value in settings.differing(self.preset).items())
        made = ", ".join([self.preset.name, *others])
        data = f"{self.dataset.name}, {self.only}" if self.only else self.dataset.name
        return f"{made} · {data} · seed {self.seed} · {commit()}"


def begin(preset: str, data: str, seed: int, **overrides) -> Setup:
    """Check the parameters of a notebook and open its data; overrides as in settings.load."""
    messages.show()
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise InputError(f"seed={seed!r} must be a whole number from 0 to 2147483647.")
    return Setup(settings.load(preset, **overrides), open_data(data), seed)

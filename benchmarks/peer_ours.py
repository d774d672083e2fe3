"""Ours, the UNet or a searched network, with the ladder head, for some CPU seconds.

    peer_ours.py JOB.json

The learning rate falls as a cosine of the time used, so that the epochs need not be known.
"""

import copy
import math

import torch
from peer_common import Clock, Picture, choose, f1, finish, load, read_job

from twodints_lib.inference.predict import probabilities
from twodints_lib.messages import log, show
from twodints_lib.runs import settings
from twodints_lib.space import networks
from twodints_lib.space.specs import spec_of
from twodints_lib.targets.classes import three_class
from twodints_lib.targets.heads import HEADS
from twodints_lib.training.loop import Joint
from twodints_lib.training.patches import Sample
from twodints_lib.training.recipes import Recipe

LADDER = HEADS["ladder"]
MARKS = (0.7, 0.85, 1.0)  # shares of the time after which the weights are scored


class Timed(Joint):
    """A training whose learning rate follows the clock instead of the epochs."""

    clock: Clock

    def begin(self, epoch: int) -> None:
        """Every group's rate for this epoch."""
        self.net.train()
        for group in self.groups:
            group["lr"] = group["full"] * 0.5 * (1 + math.cos(math.pi * self.clock.share()))


def sample(picture: Picture) -> Sample:
    """A picture with the maps that the ladder draws."""
    stack = torch.from_numpy(picture.image.transpose(2, 0, 1).copy())
    return Sample(
        picture.name, picture.modality, stack, (int(stack.min()), int(stack.max())),
        torch.from_numpy(three_class(picture.labels)[None]), picture.labels,
        torch.from_numpy(LADDER.encode(picture.labels)),
    )  # fmt: skip


def tried(net, pictures, patch: int) -> dict:
    """{decoder: (its best thresholds, their F1)} on the pictures to choose on."""
    maps, found = maps_of(net, pictures, patch), {}
    for name, decoder in LADDER.decoders.items():
        decode = decoder.remembering() if decoder.remembering else decoder.decode
        read = [decoder.read(m) for m in maps]
        found[name] = choose(pictures, decoder.grid, lambda i, s, d=decode, r=read: d(r[i], **s))
    return found


def maps_of(net, pictures, patch: int) -> list:
    """The ladder's maps of pictures."""
    from twodints_lib.data.images import scaled

    stacks = (p.image.transpose(2, 0, 1) for p in pictures)
    return [probabilities(net, scaled(s, s.min(), s.max()), patch, "ladder") for s in stacks]


def main():
    """Train, choose weights, decoder and thresholds, predict."""
    job = read_job()
    show()
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    spec = spec_of(job.spec)
    recipe = Recipe.of(settings.load("laptop", **job.settings), 1, spec)
    spec.check_patch(recipe.patch)
    held = load(job.data, "choose")
    clock = Clock(job.cpu_seconds)
    train = [sample(p) for p in load(job.data, "fit")]
    net = networks.build(spec)
    trainer = Timed(net, train, recipe, job.seed)
    trainer.clock, epoch, best, marks = clock, 0, (-1.0, None, 0), list(MARKS)
    while marks:
        epoch += 1
        trainer.check(trainer.epoch(epoch)["loss"])
        if clock.share() >= marks[0]:
            marks = [m for m in marks if m > clock.share()]
            with clock.stopped():
                maps = maps_of(net, held, recipe.patch)
                now = f1(held, [LADDER.decode(m) for m in maps])["modality_mean_f1"]
                log.info(f"epoch {epoch}, {clock.share():.0%}: F1 {now:.3f}")
                if now > best[0]:
                    best = now, copy.deepcopy(net.state_dict()), epoch
    spent = clock.seconds()
    _, weights, kept = best
    net.load_state_dict(weights)
    torch.save(weights, job.out / "best.pt")
    every = tried(net, held, recipe.patch)
    name = max(every, key=lambda decoder: every[decoder][1])
    decoder = LADDER.decoders[name]
    maps = maps_of(net, load(job.data, "val"), recipe.patch) if job.final else []
    finish(
        job, spent, every[name], lambda i, thresholds: decoder(maps[i], **thresholds),
        decoder=name, choose_f1_of_decoders={n: round(worth, 4) for n, (_, worth) in every.items()},
        parameters=networks.count_parameters(net), epochs=epoch, kept_epoch=kept,
    )  # fmt: skip


if __name__ == "__main__":
    main()

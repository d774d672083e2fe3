"""Cellpose 3's network from scratch for some CPU seconds. Runs in .venv-peers.

    peer_cellpose.py JOB.json

As its authors did for the challenge (paper/neurips in its repository): three channels in their own
colours, each normalised. Its targets, augmentation and loss are its own, in a plain loop, since its
own stops by epochs alone; the rate rises and falls in the shares of the time in which its own does.
Like ours in bfloat16, which is three times as fast here.
"rescale" in the settings: images of one diameter, in training by their labels, in prediction by its
size model; else every image is taken as it is, in both.
"""

from collections.abc import Callable

import numpy as np
import torch
from cellpose import dynamics, models, train, transforms, utils
from peer_common import Clock, choose, finish, load, read_job

GRID = {"cellprob_threshold": (0.0, -1.0, 1.0), "flow_threshold": (0.4, 0.3, 0.6)}
BATCH, SIDE = 8, 224


def normalised(picture) -> np.ndarray:
    """(3, H, W) float32, each channel by its own percentiles."""
    image = transforms.normalize_img(picture.image.astype(np.float32), axis=-1)
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def channels_last(image: np.ndarray) -> torch.Tensor:
    """A batch (B, C, H, W) in the order in memory that convolutions like best."""
    return torch.from_numpy(image).contiguous(memory_format=torch.channels_last)


def rate(share: float) -> float:
    """The learning rate's factor: up in the first 5 %, halved ten times over the last quarter."""
    return min(1.0, share / 0.05) * 0.5 ** np.ceil(max(0.0, share - 0.75) / 0.025)


def optimiser_of(net, settings: dict):
    """AdamW as its training function has it by default, or SGD as its command has."""
    if settings["optimiser"] == "sgd":
        return torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=1e-4, momentum=0.9)
    return torch.optim.AdamW(net.parameters(), lr=0.005, weight_decay=1e-5)


def diameters(net, model, x, y, out) -> Callable:
    """A function that gives an image's diameter: Cellpose's size model, trained on (x, y)."""
    train.train_size(
        net, str(out / "net"), train_data=x, train_labels=y, normalize=False, min_train_masks=0,
        batch_size=8, bsize=256, n_epochs=3,
    )  # fmt: skip
    size = models.SizeModel(model, pretrained_size=str(out / "net_size.npy"))
    return lambda image: float(np.squeeze(size.eval(image, channels=None, normalize=False)[0]))


def main():
    """Train, train the size model where there is one, choose thresholds, predict."""
    job = read_job()
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    rng = np.random.default_rng(job.seed)
    np.random.seed(job.seed)
    clock, rescale = Clock(job.cpu_seconds), job.settings["rescale"]
    model = models.CellposeModel(gpu=False, pretrained_model=None, nchan=3, mkldnn=False)
    net, fit = model.net.to(memory_format=torch.channels_last), load(job.data, "fit")
    x = [normalised(p) for p in fit]
    y = dynamics.labels_to_flows([p.labels for p in fit], device=net.device)
    across = np.maximum(5.0, [utils.diameters(p.labels)[0] for p in fit])
    net.diam_labels.data = torch.tensor([across.mean()])
    optimiser, steps = optimiser_of(net, job.settings), 0
    net.train()
    while clock.share() < 1:
        some = rng.choice(len(x), min(BATCH, len(x)), replace=False)
        for group in optimiser.param_groups:
            group["lr"] = group.setdefault("full", group["lr"]) * rate(clock.share())
        image, target = transforms.random_rotate_and_resize(
            [x[i] for i in some], Y=[y[i][1:] for i in some],
            rescale=across[some] / net.diam_mean.item() if rescale else np.ones(len(some)),
            scale_range=0.5 if rescale else 1.0, xy=(SIDE, SIDE),
        )[:2]  # fmt: skip
        with torch.autocast("cpu", torch.bfloat16):
            drawn = net(channels_last(image))[0]
        loss = train._loss_fn_seg(target, drawn.float(), net.device)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps += 1
    spent = clock.seconds()
    net.eval()
    size = diameters(net, model, x, y, job.out) if rescale else None  # not counted
    maps = {}

    def decoder(pictures, split):
        """A decode for `choose`: the network runs once an image, thresholds cost little."""

        def decode(i, setting):
            if (split, i) not in maps:
                image = normalised(pictures[i])
                diameter = size(image) if size else net.diam_mean.item()
                kept = {"channels": None, "normalize": False, "diameter": diameter}
                maps[split, i] = image, kept, model.eval(image, compute_masks=False, **kept)[1]
            image, kept, flows = maps[split, i]
            return masks(flows, setting, pictures[i].labels.shape, kept["diameter"], net)

        return decode

    held = load(job.data, "choose")
    chosen = choose(held, GRID, decoder(held, "choose"))
    facts = {"parameters": sum(p.numel() for p in net.parameters()), "steps": steps}
    finish(job, spent, chosen, decoder(load(job.data, "val"), "val"), **facts)


def masks(flows, setting: dict, shape, diameter: float, net) -> np.ndarray:
    """Cells of the network's flows, by Cellpose's own dynamics."""
    niter = 200 / (net.diam_mean.item() / diameter)
    return dynamics.resize_and_compute_masks(
        flows[1], flows[2], niter=niter, resize=list(shape), min_size=15, **setting
    )  # fmt: skip


if __name__ == "__main__":
    main()

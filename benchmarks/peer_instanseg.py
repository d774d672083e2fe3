"""InstanSeg's network and loss from scratch for some CPU seconds. Runs in .venv-peers.

    peer_instanseg.py JOB.json

Its own loop imports torchvision, which has no build for the CPU's torch here, so this is a plain
one with its defaults: Adam at 0.001, batch 3, patches of 256, gradients clipped at 20, first dice
and cross entropy ("hotstart"), then distance and the loss of the settings, the weights with the
best F1 kept. Augmented as it recommends: flips, quarter turns, and in a fifth of the patches each
brightness, contrast, hue and noise; without what needs torchvision (JPEG, stains). The images have
no pixel size, so that none is rescaled. Like ours in bfloat16, which is twice as fast here.
"""

import copy

import numpy as np
import torch
import torch.nn.functional as F
from instanseg.utils.loss.instanseg_loss import InstanSeg
from instanseg.utils.models.InstanSeg_UNet import InstanSeg_UNet
from instanseg.utils.utils import percentile_normalize
from peer_common import Clock, choose, f1, finish, load, read_job
from skimage import color

GRID = {
    "seed_threshold": (0.5, 0.3, 0.7), "mask_threshold": (0.53, 0.4, 0.6),
    "peak_distance": (4, 7, 10), "overlap_threshold": (0.5, 0.3),
}  # fmt: skip
BATCH, SIDE, DIVISOR = 3, 256, 32
HOT = 0.1  # share of the time for the start
MARKS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # shares of the time after which the weights are scored


def image_of(picture) -> np.ndarray:
    """(3, H, W) float32, each channel by its own percentiles."""
    image = np.ascontiguousarray(picture.image.transpose(2, 0, 1), np.float32)
    return percentile_normalize(torch.from_numpy(image)).numpy()


def patch(image, labels, rng) -> tuple[np.ndarray, np.ndarray]:
    """A random, augmented patch (3, SIDE, SIDE) and its labels (1, SIDE, SIDE)."""
    grown = [(0, max(0, SIDE - n)) for n in labels.shape]
    image = np.pad(image, [(0, 0), *grown])
    labels = np.pad(labels, grown)
    top, left = (int(rng.integers(n - SIDE + 1)) for n in labels.shape)
    both = np.concatenate([image, labels[None]])[:, top : top + SIDE, left : left + SIDE]
    both = np.rot90(both, rng.integers(4), (1, 2))
    both = both[:, :: rng.choice((1, -1)), :: rng.choice((1, -1))]
    return coloured(both[:3].copy(), rng), both[3:].copy()


def coloured(image, rng) -> np.ndarray:
    """Brightness, contrast, noise and, of a coloured image, hue, each in a fifth of the patches."""
    if rng.random() < 0.2:
        image = image * rng.uniform(0.7, 1.3) + rng.uniform(-0.1, 0.1)
    if rng.random() < 0.2:
        image = np.clip(image, 0, 1) ** rng.uniform(0.6, 1.6)
    if rng.random() < 0.2 and not np.allclose(image[0], image[1]):
        hsv = color.rgb2hsv(np.clip(image, 0, 1), channel_axis=0)
        hsv[0] = (hsv[0] + rng.uniform(-0.1, 0.1)) % 1
        image = color.hsv2rgb(hsv, channel_axis=0)
    if rng.random() < 0.2:
        image = image + rng.uniform(0, 0.1) * rng.normal(size=image.shape)
    return image.astype(np.float32)


def main():
    """Train, choose weights and thresholds, predict."""
    job = read_job()
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    rng, held = np.random.default_rng(job.seed), load(job.data, "choose")
    clock = Clock(job.cpu_seconds)
    fit = [(image_of(p), p.labels) for p in load(job.data, "fit")]
    net = InstanSeg_UNet(3, [[2, 2, 1]], layers=np.array([256, 128, 64, 32]))
    method = InstanSeg(
        n_sigma=2, device="cpu", window_size=128, binary_loss_fn_str="dice_loss",
        seed_loss_fn="binary_xloss",
    )  # fmt: skip
    net = method.initialize_pixel_classifier(net, MLP_width=5)
    net = net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=0.001)
    hot, steps, best, marks = True, 0, (-1.0, None), list(MARKS)
    while marks:
        if hot and clock.share() >= HOT:
            hot = False
            method.update_seed_loss("l1_distance")
            method.update_binary_loss(job.settings["binary_loss"])
        drawn = [patch(*fit[i], rng) for i in rng.choice(len(fit), BATCH)]
        image, labels = (torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
        net.train()
        image = image.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = net(image)
        loss = method(drawn.float(), labels.int()).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 20)
        optimiser.step()
        steps += 1
        if clock.share() >= marks[0]:
            marks = [m for m in marks if m > clock.share()]
            with clock.stopped():
                decode = decoder(net, method, held)
                now = f1(held, [decode(i, {}) for i in range(len(held))])["modality_mean_f1"]
                print(f"step {steps}, {clock.share():.0%}: F1 {now:.3f}", flush=True)
                if now > best[0]:
                    best = now, copy.deepcopy(net.state_dict())
    spent = clock.seconds()
    net.load_state_dict(best[1])
    chosen = choose(held, GRID, decoder(net, method, held))
    facts = {"parameters": sum(p.numel() for p in net.parameters()), "steps": steps}
    finish(job, spent, chosen, decoder(net, method, load(job.data, "val")), **facts)


def decoder(net, method, pictures):
    """A decode for `choose`: the network runs once an image."""
    maps = {}

    @torch.no_grad()
    def decode(i, setting):
        if i not in maps:
            net.eval()
            image = torch.from_numpy(image_of(pictures[i]))[None]
            grown = [(-n) % DIVISOR for n in image.shape[2:]]
            drawn = net(F.pad(image, (0, grown[1], 0, grown[0]), mode="reflect"))[0]
            maps[i] = drawn[:, : image.shape[2], : image.shape[3]]
        return method.postprocessing(maps[i], **setting)[0].numpy()

    return decode


if __name__ == "__main__":
    main()

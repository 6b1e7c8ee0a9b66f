#!/usr/bin/env python3
"""Makes sequences of latents for the training of a temporal prior: shards of frames of fixed and moving cameras.

    python sequences.py --weights ../fast.safetensors --model ../fast/fast.aem --photos PHOTOS [--clips CLIPS]
        --out SHARDS --shards 25 --seed 1

Frames are drawn from photographs: objects that come, move and go, shadows, exposure, shake, sensor noise, JPEG. Clips are
files of frames, uint8 [N, H, W, 3] (.npy); only their first two thirds are used, so that the rest can be measured. If the
camera moves, the reference of a frame is its predecessor after motion compensation.
"""

import argparse
import glob
import io
import os
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import aem
import weights

FRAMES, SIDE = 4, 256
STILL, COMPENSATED = 0, 1  # kinds of sequences


class Scenes:
    """Draws sequences of frames, float32 [FRAMES, SIDE, SIDE, 3] in 0..255."""

    def __init__(self, photos: list[str], clips: list[str], rng: np.random.Generator):
        self.photos, self.rng = photos, rng
        opened = [np.load(name, mmap_mode="r") for name in clips]
        self.clips = [clip[: len(clip) * 2 // 3] for clip in opened]

    def clip(self) -> np.ndarray:
        rng = self.rng
        clip = self.clips[rng.integers(len(self.clips))]
        stride = int(rng.choice([1, 1, 2, 3, 5]))
        t = rng.integers(0, len(clip) - stride * (FRAMES - 1))
        y, x = (rng.integers(0, clip.shape[i] - SIDE + 1) for i in (1, 2))
        frames = clip[t : t + stride * FRAMES : stride, y : y + SIDE, x : x + SIDE].astype(np.float32)
        return np.ascontiguousarray(frames[:, :, ::-1] if rng.random() < 0.5 else frames)

    def photo(self, side: int) -> np.ndarray:
        """A crop of a photograph at a random scale, float32 [side, side, 3]."""
        rng = self.rng
        while True:
            image = Image.open(self.photos[rng.integers(len(self.photos))]).convert("RGB")
            scale = max(rng.uniform(0.5, 1.0), side / min(image.size))
            if scale <= 1.3:
                break
        w, h = (max(side, round(s * scale)) for s in image.size)
        pixels = np.asarray(image.resize((w, h), Image.BICUBIC))
        y, x = rng.integers(0, h - side + 1), rng.integers(0, w - side + 1)
        pixels = pixels[y : y + side, x : x + side]
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        if rng.random() < 0.2:
            pixels = pixels.transpose(1, 0, 2)
        return pixels.astype(np.float32)

    def drawn(self, moving: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Frames, and for a moving camera where each pixel of a frame was in the frame before: [FRAMES - 1, SIDE, SIDE, 2]."""
        rng = self.rng
        pad = 64 if moving else 8
        side = SIDE + 2 * pad
        base = self.photo(side)
        inner = slice(pad, pad + SIDE)
        camera = Camera(rng, moving, side, pad)
        objects = [self.object(side, pad) for _ in range(int(rng.choice([0, 1, 1, 2, 3])))]
        shadow = None
        if rng.random() < 0.15:
            shadow = (rng.uniform(0, side, 2), rng.normal(0, 4, 2), rng.uniform(30, 120, 2), rng.uniform(0.6, 0.95))
        drift = rng.normal(0, 0.008) if rng.random() < 0.35 else 0
        flicker = 0.006 if rng.random() < 0.15 else 0
        noise = Noise(rng)
        frames, flows = [], []
        for t in range(FRAMES):
            scene, flow = camera.look(base, t)
            for o in objects:
                if t >= o["since"]:
                    moved = o["v"] * t
                    cover = blob(side, o["c"] + moved, o["r"], o["square"], o["soft"])
                    texture = np.roll(o["texture"], tuple(np.round(moved).astype(int)), (0, 1))
                    scene = scene * (1 - cover) + texture * cover
            if shadow:
                centre, v, r, light = shadow
                scene = scene * (1 - blob(side, centre + v * t, r, False, 12) * (1 - light))
            light = (1 + drift) ** t * (1 + rng.normal(0, 1) * flicker)
            frames.append(noise.add(scene[inner, inner] * light))
            if t and moving:
                flows.append(flow[inner, inner])
        return np.stack(frames), np.stack(flows) if moving else None

    def object(self, side: int, pad: int) -> dict:
        rng = self.rng
        speed = 0 if rng.random() < 0.1 else rng.choice([0, 2, 8, 20])
        return dict(texture=self.photo(side), square=rng.random() < 0.5, r=rng.uniform(6, 60, 2),
                    c=rng.uniform(pad - 20, side - pad + 20, 2), v=rng.normal(0, 1, 2) * speed,
                    soft=rng.uniform(1, 3), since=int(rng.choice([0, 0, 0, 1, 2])))


class Camera:
    """Pans, zooms and turns, or shakes a little."""

    def __init__(self, rng: np.random.Generator, moving: bool, side: int, pad: int):
        self.rng, self.moving = rng, moving
        self.shake = 0 if moving or rng.random() >= 0.3 else rng.choice([0.1, 0.3, 1.0])
        self.v = np.clip(rng.normal(0, 1, 2) * rng.choice([1, 4, 10]), -pad / 5, pad / 5)
        self.zoom = rng.normal(0, 0.006) if rng.random() < 0.4 else 0
        self.turn = rng.normal(0, 0.005) if rng.random() < 0.3 else 0
        place = np.arange(side, dtype=np.float32) - side / 2
        self.ys, self.xs = np.meshgrid(place, place, indexing="ij")

    def flow(self, t: int) -> np.ndarray:
        return np.stack([self.v[0] * t + self.zoom * t * self.xs - self.turn * t * self.ys,
                         self.v[1] * t + self.zoom * t * self.ys + self.turn * t * self.xs], -1).astype(np.float32)

    def look(self, base: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray | None]:
        if self.moving:
            return warp(base, self.flow(t)), self.flow(1)
        if self.shake:
            shift = self.rng.normal(0, self.shake, 2).astype(np.float32)
            return warp(base, np.broadcast_to(shift, (*base.shape[:2], 2)).copy()), None
        return base, None


class Noise:
    """Noise of a sensor, and what a camera's own compression leaves of it."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.sigma = float(rng.choice([0, 0.5, 1, 2, 3, 5], p=[0.2, 0.15, 0.2, 0.2, 0.15, 0.1]))
        self.chroma, self.smooth = rng.uniform(0.5, 1), rng.random() < 0.4
        self.jpeg = int(rng.integers(60, 97)) if rng.random() < 0.35 else 0

    def add(self, frame: np.ndarray) -> np.ndarray:
        rng, shape = self.rng, frame.shape
        if self.sigma:
            noise = rng.normal(0, self.sigma, (*shape[:2], 1)) + rng.normal(0, 0.6 * self.sigma * self.chroma, shape)
            if self.smooth:
                noise = sum(np.roll(noise, shift, (0, 1)) for shift in ((0, 0), (1, 0), (0, 1), (1, 1))) / 2.2
            frame = frame + noise * np.sqrt(np.maximum(frame.mean(-1, keepdims=True), 4) / 128)
        frame = np.clip(np.round(frame), 0, 255).astype(np.uint8)
        if self.jpeg:
            coded = io.BytesIO()
            Image.fromarray(frame).save(coded, "JPEG", quality=self.jpeg, subsampling=int(rng.choice([0, 2])))
            frame = np.asarray(Image.open(coded))
        return frame.astype(np.float32)


def blob(side: int, centre, radii, square: bool, soft: float) -> np.ndarray:
    """How far a shape covers each pixel, 0 to 1: [side, side, 1]."""
    u, v = ((np.arange(side) - c) / r for c, r in zip(centre, radii))
    u, v = np.abs(u)[:, None], np.abs(v)[None]
    distance = np.maximum(u, v) if square else np.sqrt(u * u + v * v)
    return np.clip((1 - distance) * min(radii) / soft + 0.5, 0, 1).astype(np.float32)[..., None]


def warp(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Samples an image [H, W, 3] at each pixel plus its flow (x, y)."""
    h, w, _ = image.shape
    ys, xs = np.meshgrid(np.arange(h, dtype=np.float32), np.arange(w, dtype=np.float32), indexing="ij")
    grid = np.stack([(xs + flow[..., 0]) * 2 / (w - 1) - 1, (ys + flow[..., 1]) * 2 / (h - 1) - 1], -1)
    sampled = F.grid_sample(torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(grid)[None],
                            mode="bicubic", padding_mode="border", align_corners=True)
    return sampled[0].permute(1, 2, 0).numpy()


class Coder:
    """Turns frames into latents, in units of the integer model."""

    def __init__(self, net, unit: float, rng: np.random.Generator):
        self.net, self.unit, self.rng = net, unit, rng

    @torch.no_grad()
    def latents(self, frames: np.ndarray, flows: np.ndarray | None, quality: np.ndarray) -> np.ndarray:
        """int16 [FRAMES, H, W, M]. With flows, frames 0 and 2 are the references of 1 and 3."""
        q = torch.tensor(quality / 100 * (self.net.shapes.knots - 1), dtype=torch.float32)
        y = self.net.analyse(torch.from_numpy(frames / 255 - 0.5).float(), q)
        if flows is not None:
            gain = self.net.log_gain(self.net.y_gain, q).exp()
            for t in (1, 3):
                before = torch.round(y[t - 1 : t] * gain[t - 1 : t]) / gain[t - 1 : t]
                y[t - 1 : t] = self.compensated(before, flows[t - 1], q[t - 1 : t], q[t : t + 1])
        return (y * self.unit).round().clamp(-8191, 8191).short().numpy()

    def compensated(self, before: torch.Tensor, flow: np.ndarray, q_before, q_now) -> torch.Tensor:
        """The latents of the frame before, moved by blocks of 16x16 pixels to quarters of a pixel."""
        rng, n = self.rng, SIDE // 16
        painted = self.net.synthesise(before, q_before)[0].clamp(-0.5, 0.5).numpy()
        vectors = np.round(flow.reshape(n, 16, n, 16, 2).mean((1, 3)) * 4) / 4
        # A search for motion is not always right.
        vectors += rng.choice([0, 0, 0, 0, 0.25, -0.25], (n, n, 2))
        vectors[rng.random((n, n)) < 0.04] = 0
        whole = vectors.repeat(16, 0).repeat(16, 1).astype(np.float32)
        moved = self.net.analyse(torch.from_numpy(warp(np.ascontiguousarray(painted), whole))[None], q_now)
        still = torch.from_numpy((vectors == 0).all(-1))[None, ..., None]
        return torch.where(still, before, moved)


def shard(scenes: Scenes, coder: Coder, count: int) -> dict:
    rng = scenes.rng
    latents, qualities, kinds = [], [], []
    for _ in range(count):
        draw = rng.random()
        if draw < 0.28 and scenes.clips:
            frames, flows = scenes.clip(), None
        else:
            frames, flows = scenes.drawn(moving=draw >= 0.68)
        quality = np.full(FRAMES, rng.uniform(5, 100) if rng.random() < 0.8 else rng.uniform(0, 40))
        if rng.random() < 0.25:  # as under the control of a rate
            quality = np.clip(quality + np.cumsum(rng.normal(0, 2, FRAMES)), 0, 100)
        if rng.random() < 0.2:
            flows = None
        latents.append(coder.latents(frames, flows, quality))
        qualities.append(quality)
        kinds.append(STILL if flows is None else COMPENSATED)
    return dict(y=np.stack(latents), q=np.stack(qualities).astype(np.float32), k=np.array(kinds, np.uint8))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    ap.add_argument("--weights", required=True, help="float weights of the model (.safetensors)")
    ap.add_argument("--model", required=True, help="the model (.aem)")
    ap.add_argument("--photos", required=True, help="folder of training photographs (.jpg)")
    ap.add_argument("--clips", help="folder of clips (.npy)")
    ap.add_argument("--out", required=True)
    ap.add_argument("--shards", type=int, default=25)
    ap.add_argument("--count", type=int, default=200, help="sequences of a shard")
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--threads", type=int, default=1)
    a = ap.parse_args()

    torch.set_num_threads(a.threads)
    rng = np.random.default_rng(a.seed)
    _, net = weights.load(a.weights)
    unit = 2.0 ** aem.read(pathlib.Path(a.model).read_bytes()).y_fraction
    clips = sorted(glob.glob(f"{a.clips}/*.npy")) if a.clips else []
    scenes, coder = Scenes(sorted(glob.glob(f"{a.photos}/*.jpg")), clips, rng), Coder(net, unit, rng)
    out = pathlib.Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    for number in range(a.shards):
        start, name = time.time(), f"shard-{a.seed}-{number}.npz"
        part = out / f".{name}"
        with open(part, "wb") as file:
            np.savez(file, **shard(scenes, coder, a.count))
        os.replace(part, out / name)
        print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

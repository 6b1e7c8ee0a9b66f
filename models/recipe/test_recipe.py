"""Training, resuming and export on generated pictures: python -m unittest test_recipe"""

import contextlib
import copy
import dataclasses
import io
import json
import math
import os
import pathlib
import socket
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import aem
import calibrate
import data
import golden
import graphics
import grow
import net
import similarity
import ssimulacra2
import tables
import train
import weights
import worst
from equalise import equalise
from evaluate import code, code_integer
from fixed import LIMIT
from quantise import quantise

TINY = net.Shapes(c=32, m=128, z=32, p=32, ne=1, nd=1, knots=3)


def generated(folder: str, count: int = 3):
    for i in range(count):
        Image.fromarray(golden.picture(160, 160, seed=i).numpy()).save(pathlib.Path(folder, f"{i}.png"))


def run_train(folder: str, *more: str, out: str = "run"):
    argv = f"train.py --data {folder} --out {folder}/{out} --profile tiny --batch 2 --side 128".split()
    argv += "--device cpu --warmup 10 --hold 0.99 --log-every 10 --float32 --no-compile".split()
    with mock.patch.dict(net.PROFILES, tiny=TINY), mock.patch.object(sys, "argv", argv + list(more)):
        train.main()


def run_process(rank: int, folder: str, port: int):
    """Runs one of two processes as torchrun would start them."""
    place = dict(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    with mock.patch.dict(os.environ, place):
        alone = [torch.full((2, 3), float(rank)), torch.full((4,), 2.0 * rank)]
        processes = train.Processes("cpu")
        processes.average(alone)
        assert alone[0].eq(0.5).all() and alone[1].eq(1).all(), alone
        assert processes.first_says(rank + 7.0) == 7
        run_train(folder, "--steps", "20")


def log_of(folder: str, out: str = "run") -> list[dict]:
    return [json.loads(line) for line in pathlib.Path(folder, out, "log.jsonl").read_text().splitlines()]


class Training(unittest.TestCase):
    def test_lowers_the_loss_and_a_resumed_run_equals_an_unbroken_one(self):
        with tempfile.TemporaryDirectory() as folder:
            generated(folder)
            run_train(folder, "--steps", "40")
            run_train(folder, "--steps", "25", out="broken")
            # Killed after its checkpoint: what it logged since then is done again.
            with open(f"{folder}/broken/log.jsonl", "a") as log:
                log.write('{"step": 30, "loss": 1e9}\n{"step": 40, "lo')
            run_train(folder, "--steps", "40", "--resume", out="broken")
            starts = pathlib.Path(folder, "broken", "starts.jsonl").read_text().splitlines()
            whole, broken = log_of(folder), log_of(folder, "broken")
            averages, resumed = (load_file(f"{folder}/{out}/ema.safetensors") for out in ("run", "broken"))
        self.assertEqual([row["step"] for row in broken], [10, 20, 30, 40])
        self.assertEqual([json.loads(start)["step"] for start in starts], [0, 25])
        self.assertLess(whole[-1]["loss"], 0.8 * whole[0]["loss"])
        for a, b in zip(whole, broken):
            self.assertAlmostEqual(a["loss"] / b["loss"], 1, places=3)
        for name in averages:
            torch.testing.assert_close(averages[name], resumed[name], rtol=1e-3, atol=1e-4, msg=name)

    def test_a_run_is_neither_overwritten_nor_gone_on_with_as_another(self):
        with tempfile.TemporaryDirectory() as folder:
            generated(folder)
            run_train(folder, "--steps", "1")
            with self.assertRaisesRegex(SystemExit, "--resume"):
                run_train(folder, "--steps", "1")
            with self.assertRaisesRegex(SystemExit, "--optimizer muon"):
                run_train(folder, "--steps", "2", "--resume", "--optimizer", "adam")
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                run_train(folder, "--steps", "2", "--resume", "--lr", "0.001")
                run_train(folder, "--steps", "1", "--resume", out="mistyped")
        self.assertIn("--lr is 0.001 now, was 0.0005", said.getvalue())
        self.assertIn("no checkpoint", said.getvalue())

    def test_steps_without_a_finite_gradient_are_counted_and_end_a_lost_run(self):
        loss_of, bad = train.loss_of, []

        def sometimes(*given):
            loss, figures = loss_of(*given)
            bad.append(len(bad) % 4 == 1)
            return loss * (math.nan if bad[-1] else 1), figures

        def never(*given):
            loss, figures = loss_of(*given)
            return loss * math.nan, figures

        with tempfile.TemporaryDirectory() as folder:
            generated(folder)
            with mock.patch.object(train, "loss_of", sometimes):
                run_train(folder, "--steps", "20")
            log = log_of(folder)
            with mock.patch.object(train, "loss_of", never), mock.patch.object(train, "MOST_SKIPPED", 3):
                with self.assertRaisesRegex(SystemExit, "no finite gradient in 3 steps up to 2"):
                    run_train(folder, "--steps", "20", out="lost")
        self.assertEqual([row["skipped"] for row in log], [3, 2])
        self.assertTrue(all(math.isfinite(row["loss"]) for row in log))

    def test_processes_with_different_weights_are_noticed(self):
        with mock.patch.dict(net.PROFILES, tiny=TINY):
            argv = "train.py --data x --out x --profile tiny --steps 1 --device cpu".split()
            with mock.patch.object(sys, "argv", argv):
                run = train.Run(train.arguments(), train.Processes("cpu"))
        self.assertTrue(run.agrees())
        for other in ((5, 0.5), (0, 0.5)):
            with mock.patch.object(run.processes, "gather", lambda own: [own, other]):
                self.assertFalse(run.agrees())

    def test_impossible_settings_are_refused(self):
        for wrong in ("--side 200", "--hold 1", "--batch 0", "--log-every 0", "--steps 0", "--minutes 3"):
            argv = f"train.py --data x --out x --steps 1 {wrong}".split()
            said = io.StringIO()
            with mock.patch.object(sys, "argv", argv), contextlib.redirect_stderr(said), self.assertRaises(SystemExit):
                train.arguments()
            self.assertIn(wrong.split()[0], said.getvalue())

    def test_grown_network_computes_the_same(self):
        larger = dataclasses.replace(TINY, c=64, p=96, ne=2, nd=3)
        torch.manual_seed(0)
        small = net.Codec(TINY)
        large = net.Codec(larger)
        large.load_state_dict(grow.grow(small.state_dict(), TINY, larger, seed=1))
        x, q = golden.picture(128, 128, seed=5).float()[None] / 255 - 0.5, torch.tensor([1.3])
        with torch.no_grad():
            for before, after in zip(small(x, q, noise=False), large(x, q, noise=False)):
                torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)
        # The new channels and blocks take part as soon as training begins.
        loss, _ = train.loss_of(large, x, q, bf16=False)
        loss.backward()
        for name in ("d.0.p2", "d.1.p2", "d.2.p1", "d_out", "ctx.f2", "e.0.f2"):
            grad = dict(large.named_parameters())[f"{name}.weight"].grad
            self.assertTrue((grad != 0).any(), name)

    def test_processes_share_one_model(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
            generated(folder)
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            free.close()
            torch.multiprocessing.spawn(run_process, (folder, port), nprocs=2)
            state = torch.load(f"{folder}/run/checkpoint.pt", weights_only=False)
            log = log_of(folder)
        self.assertEqual([row["step"] for row in log], [10, 20])
        self.assertLess(log[1]["loss"], log[0]["loss"])
        crops = [generator["state"]["state"] for generator, _ in state["generators"]]
        self.assertNotEqual(crops[0], crops[1])


class Weights(unittest.TestCase):
    def test_half_precision_is_read_as_float32_and_knows_its_profile(self):
        with mock.patch.dict(net.PROFILES, tiny=TINY), tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/half.safetensors"
            whole = net.Codec(TINY).state_dict()
            weights.save(path, whole, half=True)
            self.assertLess(pathlib.Path(path).stat().st_size, 0.6 * 4 * sum(v.numel() for v in whole.values()))
            profile, codec = weights.load(path)
            large = grow.grow(weights.read(path), TINY, dataclasses.replace(TINY, c=64), seed=1)
        self.assertEqual(profile, "tiny")
        for name, value in codec.state_dict().items():
            torch.testing.assert_close(value, whole[name], rtol=1e-3, atol=1e-5)
        self.assertEqual({v.dtype for v in large.values()}, {torch.float32})

    def test_weights_of_no_profile_are_refused(self):
        for shapes in (net.PROFILES["best"], dataclasses.replace(net.PROFILES["best"], nd=7)):
            with torch.device("meta"):
                found = net.Codec(shapes).state_dict()
            if shapes.nd == 8:
                self.assertEqual(weights.profile_of("x", found), "best")
            else:
                with self.assertRaisesRegex(SystemExit, "none of the profiles"):
                    weights.profile_of("x", found)

    def test_a_write_that_fails_leaves_the_old_file(self):
        def fails(part: pathlib.Path):
            part.write_text("half")
            raise OSError("no space left")

        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "kept")
            path.write_text("old")
            with self.assertRaises(OSError):
                weights.write_whole(path, fails)
            self.assertEqual((path.read_text(), os.listdir(folder)), ("old", ["kept"]))


class Crops(unittest.TestCase):
    def test_what_cannot_be_used_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaisesRegex(SystemExit, "no pictures"):
                data.pictures(folder)
            with self.assertRaisesRegex(SystemExit, "no such folder"):
                data.Crops(f"{folder}/mistyped", "cpu", 64)
            generated(folder, 2)
            with self.assertRaisesRegex(SystemExit, "sides of 256"):
                data.Crops(folder, "cpu", 256)
            with self.assertRaisesRegex(SystemExit, "0.png: a side is shorter than 161"):
                data.pictures(folder, least_side=161)
            broken = pathlib.Path(folder, "1.png")
            broken.write_bytes(broken.read_bytes()[:3000])
            with self.assertRaisesRegex(SystemExit, "1.png: cannot be read"):
                data.Crops(folder, "cpu", 64)

    def test_a_crop_is_a_turned_part_of_its_picture(self):
        rng = np.random.default_rng(0)
        with tempfile.TemporaryDirectory() as folder:
            generated(folder, 1)
            crops = data.Crops(folder, "cpu", 160)
            drawn = crops.batch(rng, 16, 160, gray=0, drawn=0, strong=0)
        whole = golden.picture(160, 160, seed=0).float() / 255 - 0.5
        turned = [t.flip(f) for t in (whole, whole.transpose(0, 1)) for f in ((), (0,), (1,), (0, 1))]
        found = {i for crop in drawn for i, t in enumerate(turned) if torch.equal(crop, t)}
        self.assertTrue(all(any(torch.equal(crop, t) for t in turned) for crop in drawn))
        self.assertGreater(len(found), 4)


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(0)
        cls.net = net.Codec(TINY).eval()
        images = [golden.picture(128, 128)]
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            generated(folder)
            reach, latents = calibrate.ranges(cls.net, images, 3)
            cls.before = code(cls.net, images[0], 1)
            equalise(cls.net, latents)
            cls.model, cls.report = quantise(cls.net, reach)
            crops = data.Crops(folder, "cpu", 128)
            cls.model.z_tables = calibrate.z_tables(cls.net, crops, bands=2, batches=2, side=128)
            cls.crops = crops

    def test_no_accumulator_can_wrap(self):
        for fit in self.report:
            self.assertGreater(fit.margin, 1, fit.name)

    def test_a_layer_that_may_wrap_is_named(self):
        huge = net.Codec(TINY)
        with torch.no_grad():
            reach, _ = calibrate.ranges(huge, [golden.picture(64, 64)], 2)
            huge.d[0].p1.weight.fill_(1e4)
            with self.assertRaisesRegex(ValueError, "d.0.p1"):
                quantise(huge, reach)

    def test_equalising_keeps_the_float_network(self):
        after = code(self.net, golden.picture(128, 128), 1)
        for a, b in zip(self.before, after):
            self.assertAlmostEqual(a, b, places=3)

    def test_the_model_file_survives_reading(self):
        data = aem.write(self.model)
        self.assertEqual(aem.write(aem.read(data)), data)
        with self.assertRaises(ValueError):
            aem.read(data[:-1])

    def test_the_packed_model_file_is_smaller_and_unpacks_to_the_same(self):
        data = aem.write(self.model)
        packed = aem.pack(data)
        self.assertLess(len(packed), 0.9 * len(data))
        self.assertEqual(aem.unpack(packed), data)
        self.assertEqual(aem.write(aem.read(packed)), data)

    def test_integers_follow_the_float_network(self):
        image = golden.picture(128, 128)
        for q in (0, 3200, 6400):
            bpp, psnr = code(self.net, image, q / 6400 * (TINY.knots - 1))
            integer_bpp, integer_psnr = code_integer(self.model, image, q)
            self.assertAlmostEqual(integer_psnr, psnr, delta=0.1)
            self.assertAlmostEqual(integer_bpp / bpp, 1, delta=0.1)

    def test_counted_tables_cost_less_than_normals(self):
        model = copy.copy(self.model)
        model.gaussians = calibrate.y_tables(model, self.crops, 6, side=128)
        image, q = golden.picture(128, 128), 3200
        self.assertLess(code_integer(model, image, q)[0], code_integer(self.model, image, q)[0])
        for table in model.gaussians:
            self.assertEqual(table.sum(), tables.TOTAL)
            self.assertGreaterEqual(table.min(), 1)

    def test_decoded_latents_need_only_the_symbols(self):
        image, q = golden.picture(), 3200
        coded = self.model.code(self.model.analyse(image, q), q)
        self.assertLessEqual(coded.y_hat.abs().max(), LIMIT)
        again = self.model.prior(coded.z, *coded.y_hat.shape[:2])
        self.assertTrue(torch.equal(again, coded.prior))


class Similarity(unittest.TestCase):
    def test_is_one_for_equals_and_falls_with_noise(self):
        image = golden.picture(similarity.LEAST_SIDE, 200)
        noise = torch.from_numpy(np.random.default_rng(0).normal(0, 1, image.shape))
        found = [similarity.ms_ssim(image, (image + s * noise).clamp(0, 255)) for s in (0, 10, 40)]
        self.assertAlmostEqual(found[0], 1, places=5)
        self.assertGreater(found[0], found[1])
        self.assertGreater(found[1], found[2])


class Ssimulacra2(unittest.TestCase):
    def noisy(self, *deviations: float):
        """The golden picture, and it with noise, [N, H, W, 3] from 0 to 1."""
        image = golden.picture(200, 136).float() / 255
        noise = torch.from_numpy(np.random.default_rng(0).normal(0, 1, image.shape)).float()
        return image.expand(len(deviations), -1, -1, -1), torch.stack([image + s * noise for s in deviations])

    def test_equal_pictures_score_100_and_noise_lowers_it(self):
        found = ssimulacra2.score(ssimulacra2.errors(*self.noisy(0, 0.02, 0.05, 0.15))).tolist()
        self.assertAlmostEqual(found[0], 100, delta=0.5)
        for better, worse in zip(found, found[1:]):
            self.assertGreater(better, worse + 5)

    def test_the_gradient_is_that_of_differences(self):
        original, decoded = self.noisy(0.05)
        decoded.requires_grad_()
        gradient, = torch.autograd.grad(ssimulacra2.errors(original, decoded).sum(), decoded)
        step = torch.sign(gradient) * 1e-3
        with torch.no_grad():
            up, down = (ssimulacra2.errors(original, decoded + s * step) for s in (1, -1))
        self.assertAlmostEqual((up - down).item() / 2 / (gradient * step).sum().item(), 1, delta=0.03)


class StrongColours(unittest.TestCase):
    def test_recoloured_crops_are_more_saturated(self):
        rng = np.random.default_rng(0)
        crop = golden.picture(64, 64).numpy()
        spread = lambda image: np.mean(image.max(-1).astype(float) - image.min(-1))  # noqa: E731
        found = [graphics.recolour(rng, crop) for _ in range(40)]
        self.assertTrue(all(image.shape == crop.shape and image.dtype == np.uint8 for image in found))
        self.assertGreater(np.mean([spread(image) for image in found]), 1.3 * spread(crop))


class Worst(unittest.TestCase):
    def test_a_tenth_fewer_bits_are_a_bd_rate_of_ten_percent(self):
        curve = [(100, 25), (210, 28.3), (450, 31.5), (1000, 35), (2100, 38.2)]
        self.assertAlmostEqual(worst.bd_rate([(0.9 * bits, db) for bits, db in curve], curve), -10, places=6)

    def test_the_crop_covers_what_is_worse_than_the_other(self):
        picture = golden.picture(400, 300, seed=2).numpy()
        ours, theirs = picture.copy(), picture.copy()
        ours[150:170, 50:70] ^= 64
        theirs[380:, 280:] ^= 255
        y, x = worst.worst_place(picture, ours, theirs)
        self.assertTrue(y <= 150 and 170 <= y + worst.CROP and x <= 50 and 70 <= x + worst.CROP, (y, x))


class Tables(unittest.TestCase):
    def test_frequencies_are_legal_and_close_to_the_entropy(self):
        for level, table in enumerate(tables.gaussian_tables()):
            self.assertEqual(table.sum(), tables.TOTAL)
            self.assertGreaterEqual(table.min(), 1)
            p = tables.normal(2 ** ((level - 26) / 8))
            entropy = -(p * np.log2(np.maximum(p, 1e-300))).sum()
            expected = (p * tables.value_bits(table, tables.K_MAX)).sum()
            self.assertLess(expected, 1.005 * entropy + 0.002)


if __name__ == "__main__":
    unittest.main()

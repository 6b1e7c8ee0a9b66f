"""Training, resuming and export on generated pictures: python -m unittest test_recipe"""

import json
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
import torch
from PIL import Image

import aem
import calibrate
import golden
import net
import tables
import train
from equalise import equalise
from evaluate import code, code_integer
from fixed import LIMIT
from quantise import quantise

TINY = net.Shapes(c=32, m=128, z=32, p=32, ne=1, nd=1, knots=3)


def generated(folder: str, count: int = 3):
    for i in range(count):
        Image.fromarray(golden.picture(160, 160, seed=i).numpy()).save(pathlib.Path(folder, f"{i}.png"))


def run_train(folder: str, *more: str):
    argv = ["train.py", "--data", folder, "--out", folder + "/run", "--profile", "tiny", "--batch", "2", "--side", "128"]
    with mock.patch.dict(net.PROFILES, tiny=TINY), mock.patch.object(sys, "argv", argv + [*more, "--float32"]):
        train.main()


class Training(unittest.TestCase):
    def test_lowers_the_loss_and_resumes(self):
        with tempfile.TemporaryDirectory() as folder:
            generated(folder)
            run_train(folder, "--steps", "100", "--warmup", "10")
            run_train(folder, "--steps", "300", "--warmup", "10", "--resume")
            log = [json.loads(line) for line in pathlib.Path(folder, "run/log.jsonl").read_text().splitlines()]
        self.assertEqual([row["step"] for row in log], [100, 200, 300])
        self.assertLess(log[-1]["loss"], 0.9 * log[0]["loss"])


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
            cls.model.z_tables = calibrate.z_tables(cls.net, folder, bands=2, batches=2, side=128)

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

    def test_integers_follow_the_float_network(self):
        image = golden.picture(128, 128)
        for q in (0, 3200, 6400):
            bpp, psnr = code(self.net, image, q / 6400 * (TINY.knots - 1))
            integer_bpp, integer_psnr = code_integer(self.model, image, q)
            self.assertAlmostEqual(integer_psnr, psnr, delta=0.1)
            self.assertAlmostEqual(integer_bpp / bpp, 1, delta=0.1)

    def test_decoded_latents_need_only_the_symbols(self):
        image, q = golden.picture(), 3200
        coded = self.model.code(self.model.analyse(image, q), q)
        self.assertLessEqual(coded.y_hat.abs().max(), LIMIT)
        again = self.model.prior(coded.z, *coded.y_hat.shape[:2])
        self.assertTrue(torch.equal(again, coded.prior))


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

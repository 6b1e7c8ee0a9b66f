"""Tests of the installed package, with NumPy and Pillow."""

import concurrent.futures
import csv
import importlib.util
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy
from PIL import Image, ImageCms

import aecodec

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "samples"


def gradient(height=60, width=90, channels=3):
    y, x = numpy.mgrid[:height, :width]
    planes = [2 * x, 3 * y, x + y, 255 - x][:channels]
    return numpy.stack(planes, axis=-1).astype(numpy.uint8)


def psnr(a, b):
    return -10 * numpy.log10(numpy.mean((a.astype(float) - b) ** 2) / 255**2)


class Arrays(unittest.TestCase):
    def test_arrays_of_every_kind_come_back_in_their_shape(self):
        for channels in (1, 2, 3, 4):
            array = gradient(channels=channels)
            decoded = aecodec.decode(aecodec.encode(array, quality=90))
            expected = array[..., 0] if channels == 1 else array
            self.assertEqual(decoded.shape, expected.shape)
            self.assertGreater(psnr(decoded, expected), 35)
            if channels in (2, 4):
                numpy.testing.assert_array_equal(decoded[..., -1], array[..., -1])
        flat = gradient(channels=1)[..., 0]
        self.assertEqual(aecodec.decode(aecodec.encode(flat)).shape, flat.shape)
        transposed = gradient().transpose(1, 0, 2)[:, ::-1]
        self.assertGreater(psnr(aecodec.decode(aecodec.encode(transposed, quality=90)), transposed), 35)

    def test_samples_decode_to_the_pixels_of_the_command_line(self):
        # The samples are the golden files of the project; `exact` compares the hash that their encoder recorded.
        for path in sorted(SAMPLES.glob("*.aec"))[:3]:
            full = aecodec.decode_full(path)
            self.assertIs(full.exact, True, path)
            self.assertEqual(full.damage, ())

    def test_targets_are_met_and_options_checked(self):
        array = numpy.asarray(Image.open(SAMPLES / "brick.png").convert("RGB"))[:256, :256]
        self.assertLessEqual(len(aecodec.encode(array, size=4000)), 4000)
        self.assertLessEqual(len(aecodec.encode(array, bpp=0.5)) * 8, 0.5 * 256 * 256)
        self.assertLess(len(aecodec.encode(array, quality=20)), len(aecodec.encode(array, quality=80)))
        self.assertEqual(aecodec.info(aecodec.encode(array, profile="best")).profile, "best")
        for wrong in ({"quality": 101}, {"quality": 50, "bpp": 1}, {"bpp": -1}, {"profile": "none"}, {"orientation": 9}):
            with self.assertRaises(ValueError, msg=wrong):
                aecodec.encode(array, **wrong)
        for wrong in (array.astype(float), array[..., None], numpy.zeros((4, 4, 5), numpy.uint8), array[:0]):
            with self.assertRaises(ValueError):
                aecodec.encode(wrong)

    def test_exact_files_keep_samples_of_8_and_16_bits(self):
        for channels in (1, 2, 3, 4):
            array = gradient(channels=channels)
            expected = array[..., 0] if channels == 1 else array
            numpy.testing.assert_array_equal(aecodec.decode(aecodec.encode(array, lossless=True)), expected)
            for maximum in (4095, 65535):
                wide = array.astype(numpy.uint16) * (maximum // 255)
                wide[0, 0, 0] = maximum
                data = aecodec.encode(wide, lossless=True, maximum=maximum)
                decoded = aecodec.decode(data)
                self.assertEqual((decoded.dtype, aecodec.info(data).maximum), (numpy.uint16, maximum))
                numpy.testing.assert_array_equal(decoded, wide[..., 0] if channels == 1 else wide)
        for array, error in ((gradient(), 3), (gradient().astype(numpy.uint16) * 257, 300)):
            data = aecodec.encode(array, max_error=error)
            self.assertEqual(aecodec.info(data).max_error, error)
            difference = numpy.abs(aecodec.decode(data).astype(int) - array)
            self.assertTrue(0 < difference.max() <= error, difference.max())
        wide = numpy.full((4, 4), 300, numpy.uint16)
        for wrong in ({"lossless": True, "quality": 9}, {"lossless": True, "max_error": 1}, {"max_error": -1},
                      {"lossless": True, "maximum": 299}, {"lossless": True, "maximum": 255}):
            with self.assertRaises(ValueError, msg=wrong):
                aecodec.encode(wide, **wrong)

    def test_samples_of_16_bits_stay_fine_at_any_quality(self):
        for channels in (1, 2, 3, 4):
            wide = gradient(channels=channels).astype(numpy.uint16) * 257
            decoded = aecodec.decode(aecodec.encode(wide, quality=80))
            expected = wide[..., 0] if channels == 1 else wide
            self.assertEqual((decoded.dtype, decoded.shape), (numpy.uint16, expected.shape))
            difference = numpy.abs(decoded.astype(int) - expected)
            self.assertLess(difference.mean(), 1500)
            samples = decoded if channels == 1 else decoded[..., 0]
            self.assertTrue((samples % 257).any(), "finer than 8 bits")

    def test_a_region_and_a_preview(self):
        path = SAMPLES / "brick.aec"
        whole = aecodec.decode(path)
        numpy.testing.assert_array_equal(aecodec.decode(path, region=(30, 20, 50, 40)), whole[20:60, 30:80])
        self.assertLess(psnr(aecodec.decode(path, passes=1), whole), 60)
        with self.assertRaises(aecodec.AecError):
            aecodec.decode(path, region=(0, 0, 10**6, 1))

    def test_threads_work_in_parallel_and_alike(self):
        data = (SAMPLES / "brick.aec").read_bytes()
        expected = aecodec.decode(data)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for decoded in pool.map(lambda _: aecodec.decode(data, threads=1), range(4)):
                numpy.testing.assert_array_equal(decoded, expected)


class Errors(unittest.TestCase):
    def test_damage_is_an_error_unless_it_is_asked_for(self):
        data = bytearray((SAMPLES / "brick.aec").read_bytes())
        data[-5] ^= 1
        with self.assertRaisesRegex(aecodec.AecError, "damaged"):
            aecodec.decode(data)
        full = aecodec.decode_full(data)
        self.assertEqual(full.array.shape, aecodec.decode(SAMPLES / "brick.aec").shape)
        self.assertTrue(full.damage)
        with self.assertRaises(aecodec.AecError):
            aecodec.decode(b"no file at all")
        with self.assertRaises(FileNotFoundError):
            aecodec.decode("missing.aec")
        with self.assertRaises(MemoryError):
            aecodec.decode(SAMPLES / "brick.aec", max_pixels=100)

    def test_a_model_can_be_given(self):
        model = aecodec.Model.built_in("fast")
        array = gradient()
        self.assertEqual(aecodec.encode(array, model=model), aecodec.encode(array))
        self.assertEqual(len(model.id), 64)
        with self.assertRaises(aecodec.AecError):
            aecodec.Model(b"no model")


class Streams(unittest.TestCase):
    def test_a_picture_grows_while_it_arrives(self):
        data = (SAMPLES / "brick.aec").read_bytes()
        whole = aecodec.decode(data)
        stream, quality = aecodec.StreamDecoder(), []
        with self.assertRaises(aecodec.AecError):
            stream.decode()
        for start in range(0, len(data), 500):
            if stream.feed(data[start : start + 500]):
                difference = stream.decode().astype(float) - whole
                quality.append(float(numpy.abs(difference).mean()))
        self.assertEqual(stream.passes, 4)
        self.assertEqual(len(quality), 4)
        self.assertEqual(quality, sorted(quality, reverse=True))
        self.assertEqual(quality[-1], 0)
        with self.assertRaises(aecodec.AecError):
            aecodec.StreamDecoder().feed(b"this is certainly not an .aec file, whatever follows")


@unittest.skipUnless(importlib.util.find_spec("ray"), "ray is not installed")
class Ray(unittest.TestCase):
    def test_the_example_decodes_a_folder(self):
        example = pathlib.Path(__file__).resolve().parents[1] / "examples" / "ray_folder.py"
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "means.csv"
            subprocess.run([sys.executable, example, SAMPLES, output], check=True, capture_output=True)
            with open(output, newline="") as file:
                rows = {pathlib.Path(row["path"]).name: row for row in csv.DictReader(file)}
        self.assertEqual(set(rows), {path.name for path in SAMPLES.glob("*.aec")})
        expected = aecodec.decode(SAMPLES / "brick.aec").reshape(-1, 3).mean(axis=0)
        self.assertAlmostEqual(float(rows["brick.aec"]["red"]), expected[0], places=6)
        gray = rows["interior-gray.aec"]
        self.assertEqual(gray["red"], gray["blue"])


class Pillow(unittest.TestCase):
    def test_every_mode_is_saved_and_opened(self):
        colour = Image.fromarray(gradient())
        pictures = [colour, colour.convert("L"), colour.convert("P"), colour.convert("1"), colour.convert("CMYK")]
        pictures += [Image.fromarray(gradient(channels=4)), Image.fromarray(gradient(channels=2), "LA")]
        for picture in pictures:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / "x.aec"
                picture.save(path, quality=80)
                with Image.open(path) as opened:
                    self.assertEqual((opened.format, opened.size), ("AEC", picture.size))
                    expected = "L" if picture.mode in ("L", "1") else picture.mode if picture.mode in ("LA", "RGBA") else "RGB"
                    self.assertEqual(opened.mode, expected)
                    opened.load()
                    numpy.testing.assert_array_equal(numpy.asarray(opened), aecodec.decode(path))

    def test_metadata_is_kept(self):
        picture = Image.fromarray(gradient())
        exif = Image.Exif()
        exif[0x010E], exif[0x0112] = "a gradient", 6
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        file = io.BytesIO()
        picture.save(file, "AEC", exif=exif, icc_profile=profile, xmp=b"<x:xmpmeta/>")
        opened = Image.open(io.BytesIO(file.getvalue()))
        self.assertEqual(opened.getexif()[0x010E], "a gradient")
        self.assertEqual(opened.getexif()[0x0112], 6)
        self.assertEqual(opened.info["icc_profile"], profile)
        self.assertEqual(opened.info["xmp"], b"<x:xmpmeta/>")
        # Saved again, it has them still.
        again = io.BytesIO()
        opened.save(again, "AEC")
        reopened = Image.open(io.BytesIO(again.getvalue()))
        self.assertEqual(reopened.getexif()[0x0112], 6)
        self.assertEqual(reopened.info["icc_profile"], profile)
        # A JPEG keeps its EXIF on the way through.
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", exif=exif)
        data = aecodec.encode(Image.open(io.BytesIO(jpeg.getvalue())))
        self.assertEqual(aecodec.decode_full(data).orientation, 6)

    def test_a_damaged_file_is_an_os_error_and_another_format_is_left_alone(self):
        data = bytearray((SAMPLES / "brick.aec").read_bytes())
        data[-5] ^= 1
        with self.assertRaises(OSError):
            Image.open(io.BytesIO(data)).load()
        with self.assertRaises(OSError):
            Image.open(io.BytesIO(data[:20])).load()
        with Image.open(SAMPLES / "brick.png") as opened:
            self.assertEqual(opened.format, "PNG")
        with self.assertRaises(ValueError):
            Image.new("I;16", (4, 4)).save(io.BytesIO(), "AEC")


if __name__ == "__main__":
    unittest.main()

"""``.aec`` files in Pillow: ``Image.open``, ``Image.save``, EXIF, XMP and ICC."""

from __future__ import annotations

from typing import IO, Any, Dict, Tuple

from PIL import Image, ImageFile

from . import _aecodec

SIGNATURE = b"\x89AEC\r\n\x1a\n"
EXIF_PREFIX = b"Exif\0\0"
ORIENTATION = 0x0112
#: The options of encode() that Image.save() passes on.
OPTIONS = ("quality", "bpp", "size", "psnr", "lossless", "max_error", "profile", "model")
MODES = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


class AecImageFile(ImageFile.ImageFile):
    """An ``.aec`` file. Its pixels are decoded when they are first needed."""

    format = "AEC"
    format_description = "aecodec"

    def _open(self) -> None:
        self._data = self.fp.read()
        try:
            info = _aecodec.info(self._data)
            icc, exif, xmp = _aecodec.metadata(self._data)
        except _aecodec.AecError as error:
            raise SyntaxError(str(error)) from error
        self._size = info.width, info.height
        self._mode = MODES[info.channels, info.alpha]
        blocks = (("icc_profile", icc), ("exif", exif and EXIF_PREFIX + exif), ("xmp", xmp))
        self.info.update({name: block for name, block in blocks if block is not None})
        self.info["quality"] = info.quality
        if info.orientation != 1 and exif is None:
            marked = Image.Exif()
            marked[ORIENTATION] = info.orientation
            self.info["exif"] = marked.tobytes()

    def load(self) -> Any:
        if self._data is not None:
            found = _aecodec.decode(
                self._data, deep=False, region=None, passes=4, threads=0, max_pixels=None, models=[]
            )
            if found.damage and not ImageFile.LOAD_TRUNCATED_IMAGES:
                raise OSError("the .aec file is damaged: " + ", ".join(found.damage))
            size = found.width, found.height
            image = Image.frombytes("L" if found.channels == 1 else "RGB", size, found.samples)
            if found.alpha is not None:
                image.putalpha(Image.frombytes("L", size, found.alpha))
            self.im, self._data = image.im, None
            if self.fp and self._exclusive_fp:
                self.fp.close()
            self.fp = None
        return super().load()


def array_and_metadata(image: Image.Image) -> Tuple[Any, Dict[str, Any]]:
    """The pixels of a picture as an array of uint8, and its metadata."""
    import numpy

    has_alpha = image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info
    gray = image.mode in ("1", "L", "LA", "La")
    mode = MODES[1 if gray else 3, has_alpha]
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise ValueError(f"a picture of mode {image.mode} has more than 8 bits per sample; convert it first")
    exif = image.info.get("exif") or (image.getexif().tobytes() if image.getexif() else None)
    if exif is not None and exif.startswith(EXIF_PREFIX):
        exif = exif[len(EXIF_PREFIX) :]
    xmp = image.info.get("xmp")
    kept = {
        "icc": image.info.get("icc_profile"),
        "exif": exif,
        "xmp": xmp.encode() if isinstance(xmp, str) else xmp,
        "orientation": image.getexif().get(ORIENTATION, 1),
    }
    return numpy.asarray(image.convert(mode)), kept


def _save(image: Image.Image, file: IO[bytes], filename: Any) -> None:
    from . import encode

    given = image.encoderinfo
    options = {name: given[name] for name in OPTIONS if name in given}
    exif = given.get("exif")
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    if exif is not None and exif.startswith(EXIF_PREFIX):
        exif = exif[len(EXIF_PREFIX) :]
    file.write(encode(image, icc=given.get("icc_profile"), exif=exif, xmp=given.get("xmp"), **options))


def register() -> None:
    """Registers the format with Pillow. Importing the package does this."""
    Image.register_open(AecImageFile.format, AecImageFile, _accept)
    Image.register_save(AecImageFile.format, _save)
    Image.register_extension(AecImageFile.format, ".aec")
    Image.register_mime(AecImageFile.format, "image/x-aec")

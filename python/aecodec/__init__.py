"""A learned image codec whose decoding is bit-exact on every machine.

>>> import aecodec
>>> data = aecodec.encode(picture, quality=60)     # a NumPy array or a picture of Pillow; returns the bytes of an .aec file
>>> array = aecodec.decode(data)                   # or a path; uint8, [height, width] or [height, width, channels]

If Pillow is installed, importing this package also lets ``PIL.Image`` open and save ``.aec`` files.

Functions release Python's global lock while they work, so threads run them in parallel.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Iterable, NamedTuple, Optional, Tuple, Union

from . import _aecodec
from ._aecodec import AecError, Info, Model, __version__

if TYPE_CHECKING:
    import numpy

__all__ = ["AecError", "Decoded", "Info", "Model", "StreamDecoder", "decode", "decode_full", "encode", "info"]

#: The bytes of a file, or its path.
Source = Union[bytes, bytearray, memoryview, str, "os.PathLike[str]"]


class Decoded(NamedTuple):
    """A decoded file with everything that it holds."""

    #: uint8 (uint16 for pictures that had more than 8 bits), [height, width] if gray without alpha, otherwise [height, width, 2, 3 or 4]; alpha is the last channel.
    array: "numpy.ndarray"
    #: How to turn the rows for display: EXIF's orientation, 1 (upright) to 8.
    orientation: int
    #: ICC colour profile.
    icc: Optional[bytes]
    #: EXIF, from its TIFF header on.
    exif: Optional[bytes]
    #: XMP packet.
    xmp: Optional[bytes]
    #: Whether the pixels are those that the encoder measured; None for a part, a preview or a damaged file.
    exact: Optional[bool]
    #: What is lost, in words; empty for an intact file.
    damage: Tuple[str, ...]


def encode(
    image: Any,
    *,
    quality: Optional[float] = None,
    bpp: Optional[float] = None,
    size: Optional[int] = None,
    psnr: Optional[float] = None,
    lossless: bool = False,
    max_error: Optional[int] = None,
    maximum: int = 65535,
    profile: str = "fast",
    model: Optional[Model] = None,
    threads: int = 0,
    orientation: Optional[int] = None,
    icc: Optional[bytes] = None,
    exif: Optional[bytes] = None,
    xmp: Optional[bytes] = None,
) -> bytes:
    """Encodes a picture. Returns the bytes of an ``.aec`` file.

    ``image`` is an array of uint8, [height, width] or [height, width, 1 to 4] (gray, gray with alpha, RGB, RGB with
    alpha), or a picture of Pillow, whose ICC profile, EXIF and XMP are kept unless others are given.

    Give at most one of ``quality`` (0 to 100; the default is 50), ``bpp`` (at most so many bits per pixel), ``size``
    (at most so many bytes) and ``psnr`` (about so many decibels). ``profile`` is "fast" or "best"; ``model`` replaces
    it. ``threads`` is 0 for all cores.

    ``lossless`` keeps every sample, and ``max_error`` keeps each colour sample to within so many steps of its value, without
    a model.

    An array may also be of uint16, whose samples are at most ``maximum``: 4095 for 12 bits. With a model, its alpha is coded
    in 8 bits.

    Raises ``AecError`` or ``ValueError`` if the picture or an option makes no sense, and ``MemoryError`` above the
    limits.
    """
    if hasattr(image, "getbands"):
        from ._pillow import array_and_metadata

        image, kept = array_and_metadata(image)
        icc, exif, xmp = icc or kept["icc"], exif or kept["exif"], xmp or kept["xmp"]
        orientation = orientation or kept["orientation"]
    if lossless or max_error is not None:
        targets = {"quality": quality, "bpp": bpp, "size": size, "psnr": psnr, "max_error": max_error if lossless else None}
        given = [name for name, value in targets.items() if value is not None]
        if given:
            raise ValueError(f"{given[0]} does not go with {'lossless' if lossless else 'max_error'}")
        max_error = max_error or 0
        if not 0 <= max_error <= 65535:
            raise ValueError(f"max_error is between 0 and 65535, not {max_error}")
    samples, (width, height, channels), alpha, wide = _planes(image)
    if wide and not 256 <= maximum <= 65535:
        raise ValueError(f"maximum is between 256 and 65535, not {maximum}")
    return _aecodec.encode(
        samples,
        width,
        height,
        channels,
        alpha,
        maximum=maximum if wide else None,
        max_error=max_error,
        model=model or Model.built_in(profile),
        quality=quality,
        bpp=bpp,
        size=size,
        psnr=psnr,
        threads=threads,
        orientation=orientation or 1,
        icc=icc,
        exif=exif,
        xmp=xmp,
    )


def decode(
    source: Source,
    *,
    region: Optional[Tuple[int, int, int, int]] = None,
    passes: int = 4,
    threads: int = 0,
    max_pixels: Optional[int] = None,
    models: Iterable[Model] = (),
) -> "numpy.ndarray":
    """Decodes a file to an array of uint8 (uint16 for pictures that had more than 8 bits), [height, width] or [height, width, channels]; alpha is the last channel.

    ``region`` is (x, y, width, height) in stored orientation. Fewer than 4 ``passes`` give a preview. ``models`` are
    used in addition to the built-in ones.

    Raises ``AecError`` if the file is damaged or its model is not available (:func:`decode_full` returns what a damaged
    file still holds), and ``MemoryError`` above the limits.
    """
    decoded = decode_full(
        source, region=region, passes=passes, threads=threads, max_pixels=max_pixels, models=models
    )
    if decoded.damage:
        raise AecError("damaged: " + ", ".join(decoded.damage))
    return decoded.array


def decode_full(
    source: Source,
    *,
    region: Optional[Tuple[int, int, int, int]] = None,
    passes: int = 4,
    threads: int = 0,
    max_pixels: Optional[int] = None,
    models: Iterable[Model] = (),
) -> Decoded:
    """Like :func:`decode`, but returns metadata and damage too. A damaged file gives the picture that it still holds."""
    found = _aecodec.decode(
        _bytes(source),
        deep=True,
        region=region,
        passes=passes,
        threads=threads,
        max_pixels=max_pixels,
        models=list(models),
    )
    return Decoded(
        array=_array(found),
        orientation=found.orientation,
        icc=found.icc,
        exif=found.exif,
        xmp=found.xmp,
        exact=found.exact,
        damage=tuple(found.damage),
    )


def info(source: Source) -> Info:
    """Reads the header of a file: width, height, channels, alpha, orientation, quality, profile,
    model, the largest value of a sample, and the largest error of an exact file."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return _aecodec.info(file.read(64))
    return _aecodec.info(bytes(source[:64]))


class StreamDecoder:
    """Decodes a file while it arrives.

    >>> stream = aecodec.StreamDecoder()
    >>> for chunk in response:
    ...     if stream.feed(chunk) > 0:                 # a further pass is complete
    ...         show(stream.decode())
    """

    def __init__(self, models: Iterable[Model] = ()) -> None:
        self._data = bytearray()
        self._models = list(models)
        self._passes = 0

    def feed(self, chunk: Union[bytes, bytearray, memoryview]) -> int:
        """Takes the next bytes. Returns how many further passes are complete now.

        Raises ``AecError`` as soon as it is clear that the bytes are not those of a file.
        """
        self._data += chunk
        before = self._passes
        self._passes = max(_aecodec.passes(bytes(self._data)), 0)
        return self._passes - before

    @property
    def passes(self) -> int:
        """How many of the four passes are complete."""
        return self._passes

    @property
    def data(self) -> bytes:
        """What has arrived."""
        return bytes(self._data)

    def decode(self, *, threads: int = 0) -> "numpy.ndarray":
        """The picture from the passes that are complete.

        Raises ``AecError`` if none is.
        """
        if not self._passes:
            raise AecError("no pass is complete yet")
        full = decode_full(self.data, passes=self._passes, threads=threads, models=self._models)
        return full.array


def _bytes(source: Source) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            return file.read()
    return bytes(source)


def _planes(image: Any) -> Tuple[bytes, Tuple[int, int, int], Optional[bytes], bool]:
    """The colour samples, (width, height, channels), and alpha of an array, and whether they have 16 bits."""
    import numpy

    array = numpy.asarray(image)
    wide = array.dtype == numpy.uint16
    if array.dtype != numpy.uint8 and not wide:
        raise ValueError(f"samples are uint8 or uint16, not {array.dtype}; scale them first")
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise ValueError(f"an array is [height, width] or [height, width, 1 to 4], not {list(array.shape)}")
    height, width, bands = array.shape
    channels = 1 if bands < 3 else 3
    alpha = numpy.ascontiguousarray(array[..., -1]).tobytes() if bands in (2, 4) else None
    samples = numpy.ascontiguousarray(array[..., :channels]).tobytes()
    return samples, (width, height, channels), alpha, wide


def _array(found: "_aecodec.Decoded") -> "numpy.ndarray":
    import numpy

    height, width, channels = found.height, found.width, found.channels
    kind = numpy.uint16 if found.maximum > 255 else numpy.uint8
    samples = numpy.frombuffer(found.samples, kind).reshape(height, width, channels)
    if found.alpha is not None:
        alpha = numpy.frombuffer(found.alpha, kind).reshape(height, width, 1)
        return numpy.concatenate([samples, alpha], axis=2)
    return (samples[..., 0] if channels == 1 else samples).copy()


try:
    import PIL.Image as _  # noqa: F401
except ImportError:
    pass
else:
    from ._pillow import register

    register()

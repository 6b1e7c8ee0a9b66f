from typing import Optional

__version__: str

class AecError(ValueError): ...

class Model:
    def __init__(self, data: bytes) -> None: ...
    @staticmethod
    def built_in(profile: str) -> Model: ...
    @property
    def id(self) -> str: ...
    @property
    def profile(self) -> str: ...

class Info:
    width: int
    height: int
    channels: int
    alpha: bool
    orientation: int
    quality: float
    profile: str
    model: str
    maximum: int
    max_error: Optional[int]

class Decoded:
    width: int
    height: int
    channels: int
    maximum: int
    samples: bytes
    alpha: Optional[bytes]
    orientation: int
    icc: Optional[bytes]
    exif: Optional[bytes]
    xmp: Optional[bytes]
    exact: Optional[bool]
    damage: list[str]

def encode(
    samples: bytes,
    width: int,
    height: int,
    channels: int,
    alpha: Optional[bytes],
    *,
    maximum: Optional[int],
    max_error: Optional[int],
    model: Model,
    quality: Optional[float],
    bpp: Optional[float],
    size: Optional[int],
    psnr: Optional[float],
    threads: int,
    orientation: int,
    icc: Optional[bytes],
    exif: Optional[bytes],
    xmp: Optional[bytes],
) -> bytes: ...
def decode(
    data: bytes,
    *,
    deep: bool,
    region: Optional[tuple[int, int, int, int]],
    passes: int,
    threads: int,
    max_pixels: Optional[int],
    models: list[Model],
) -> Decoded: ...
def info(data: bytes) -> Info: ...
def metadata(data: bytes) -> tuple[Optional[bytes], Optional[bytes], Optional[bytes]]: ...
def passes(data: bytes) -> int: ...

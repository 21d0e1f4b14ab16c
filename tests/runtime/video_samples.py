"""Tiny pictures and films made on the spot."""

import io
from fractions import Fraction

import av
import cv2
import numpy as np

from runtime.planes import to_planes
from runtime.types import FaceBox, Patch, ReferenceFrame

NO_REGION = FaceBox(0, 0, 0, 0)


def colourful(height=64, width=96, seed=0):
    """A smooth picture in which every corner has another colour."""
    corners = np.random.default_rng(seed).integers(40, 215, (2, 2, 3)).astype(np.float32)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def grey_level(level, height=64, width=96):
    return np.full((height, width, 3), level, np.uint8)


def reference(frame, alpha=None):
    return ReferenceFrame(
        index=0,
        planes=to_planes(frame),
        box=FaceBox(0, 0, 2, 2),
        angle=0.0,
        crop=np.zeros((96, 96, 3), np.uint8),
        landmarks=np.zeros((468, 2), np.float32),
        alpha=alpha,
    )


def still(frame, alpha=None):
    """A patch that shows the frame as it is."""
    empty = np.zeros((0, 0, 3), np.uint8)
    return Patch(reference(frame, alpha), NO_REGION, empty, np.zeros((0, 0), np.bool_))


def encode_film(frames, *, times=None, time_base=Fraction(1, 25), **settings):
    """Encode BGR frames; ``times`` are time stamps in ``time_base``."""
    options = {
        "codec": "mpeg4",
        "container": "mp4",
        "pix_fmt": "yuv420p",
        "rate": 25,
        "rotation": 0,
        "aspect": None,
        "colorspace": None,
        "transfer": 2,
        "primaries": 2,
        "interlaced": False,
        **settings,
    }
    buffer = io.BytesIO()
    height, width = frames[0].shape[:2]
    with av.open(buffer, "w", format=options["container"]) as out:
        stream = out.add_stream(options["codec"], rate=options["rate"])
        stream.width, stream.height, stream.pix_fmt = width, height, options["pix_fmt"]
        stream.codec_context.time_base = time_base
        if options["codec"] == "mpeg4":
            stream.codec_context.options = {"qscale": "1"}
            stream.codec_context.flags |= av.codec.context.Flags.qscale
            stream.codec_context.global_quality = 118
        if options["interlaced"]:
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        if options["aspect"]:
            stream.codec_context.sample_aspect_ratio = options["aspect"]
        if options["rotation"]:
            stream.set_display_rotation(options["rotation"])
        if options["colorspace"]:
            stream.codec_context.colorspace = options["colorspace"]
            stream.codec_context.color_trc = options["transfer"]
            stream.codec_context.color_primaries = options["primaries"]
        for index, picture in enumerate(frames):
            code = "bgra" if picture.shape[2] == 4 else "bgr24"
            frame = av.VideoFrame.from_ndarray(picture, code).reformat(
                format=options["pix_fmt"], dst_colorspace=options["colorspace"]
            )
            frame.pts = index if times is None else times[index]
            frame.time_base = time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()

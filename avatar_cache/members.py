"""The names of the files inside an avatar file."""

import re

from avatar_cache.manifest import Manifest

MANIFEST = "manifest.json"
#: Every member that may occur.
MEMBER_PATTERN = re.compile(
    r"manifest\.json|image\.png|alpha\.png|thumbnail\.jpg|faces\.npy|landmarks\.npy|covers\.npy"
    r"|frames/\d{5,6}\.mp4|alpha/\d{5,6}\.png|features/[0-9a-f]{8,64}/\d{1,2}\.npy"
)


def segment_name(index: int) -> str:
    """Name the member that holds a segment of frames."""
    return f"frames/{index:05d}.mp4"


def alpha_name(index: int) -> str:
    """Name the member that holds the opacity of a segment."""
    return f"alpha/{index:05d}.png"


def feature_name(digest: str, level: int) -> str:
    """Name the member that holds one level of a generator's features for all frames."""
    return f"features/{digest}/{level}.npy"


def needed_names(manifest: Manifest) -> set[str]:
    """Give every member but the manifest that an avatar must have; there are no others."""
    names = {"faces.npy", "landmarks.npy", "thumbnail.jpg"}
    is_still = "image.png" in manifest.members
    segments = range(0 if is_still else manifest.segment_count)
    names |= {"image.png"} if is_still else {segment_name(index) for index in segments}
    if manifest.has_alpha:
        names |= {"alpha.png"} if is_still else {alpha_name(index) for index in segments}
    if manifest.covered:
        names.add("covers.npy")
    for digest, levels in manifest.features.items():
        names |= {feature_name(digest, level) for level in range(levels)}
    return names

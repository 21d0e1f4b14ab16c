"""Prepared avatars: made once from an image or video, kept as one file each."""

from avatar_cache.cached_avatar import CachedAvatar
from avatar_cache.features import FeatureEncoder
from avatar_cache.file_store import FileStore
from avatar_cache.manifest import FaceTrack, Manifest
from avatar_cache.options import PrepareOptions
from avatar_cache.store import AvatarStore
from avatar_cache.summary import AvatarCheck, AvatarSummary

__all__ = [
    "AvatarCheck",
    "AvatarStore",
    "AvatarSummary",
    "CachedAvatar",
    "FaceTrack",
    "FeatureEncoder",
    "FileStore",
    "Manifest",
    "PrepareOptions",
]

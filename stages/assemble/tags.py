"""Which tags of a source go along."""

from __future__ import annotations

from typing import Any

_OWN_TAGS = {"encoder", "duration", "major_brand", "minor_version", "compatible_brands", "vendor_id", "number_of_bytes"}
_OWN_TAGS |= {"bps", "number_of_frames"}


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags that say something of the work, without those that say something of the old file.

    mkvmerge gives its own a language, which FFmpeg adds to their names: ``BPS-eng``.
    """
    return {
        key: value
        for key, value in tags.items()
        if key.lower().partition("-")[0] not in _OWN_TAGS and not key.startswith("_STATISTICS")
    }


def picture_tags(container: Any, picture: Any) -> dict[str, str]:
    """The tags of the video stream ``picture``, and the reel, which stands in QuickTime's track of time code."""
    tracks = [each.metadata for each in container.streams if each.type == "data" and "timecode" in each.metadata]
    reel = next((track["reel_name"] for track in tracks if track.get("reel_name")), None)
    return {**({"reel_name": reel} if reel else {}), **kept_tags(picture.metadata)}

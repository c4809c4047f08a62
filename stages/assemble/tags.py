"""Which tags of a source go along."""

from __future__ import annotations

_OWN_TAGS = {"encoder", "duration", "major_brand", "minor_version", "compatible_brands", "vendor_id", "number_of_bytes"}
_OWN_TAGS |= {"bps", "number_of_frames"}


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags that say something of the work, without those that say something of the old file."""
    return {
        key: value for key, value in tags.items() if key.lower() not in _OWN_TAGS and not key.startswith("_STATISTICS")
    }

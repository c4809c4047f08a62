"""Preparation of the training clips: what they are made of, motion over photographs, cuts from a film, shards."""

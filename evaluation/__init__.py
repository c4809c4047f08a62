"""How good a restoration is: one measure per file, each with its source, its units and its range.

Frames are R'G'B' ``[h, w, 3]``, float32 in [0, 1], as ``stages.media`` decodes them. Every measure takes a frame, or a
pair of neighbouring ones, at a time; ``evaluate`` streams the clips past all of them.
"""

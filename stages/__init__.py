"""The five stages of a chunk's way: split, flow, sample, decode, assemble. Usable in-process, without Ray."""

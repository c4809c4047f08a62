"""Fourth stage: the temporal decoder, colour correction, and the segment of restored frames."""

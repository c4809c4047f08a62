"""Reading the published checkpoints: their configurations and key names translated to this package's networks."""

"""Third stage: initial estimate, encoding, and guided latent sampling of all windows of a chunk in lockstep."""

"""Second stage: optical flow and occlusion masks between neighbouring frames, at latent size."""

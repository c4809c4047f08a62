"""Training of the embedded weights: data preparation, degradations and one module per training stage (plain torch)."""

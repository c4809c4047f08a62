"""Networks, schedules, guidance and losses of MGLD-VSR (arXiv 2312.00853): plain torch and diffusers, no video I/O."""

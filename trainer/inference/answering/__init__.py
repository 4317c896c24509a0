"""From logits to answers as deep as they are sure: calibrated, restricted, stopped early, or `unknown`."""

"""Images into batches: decoded once, placed where they are read fastest, augmented on the device."""

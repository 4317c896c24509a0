"""Where a trained network looked: a map per level, their sizes and overlaps, and pictures of what it has learned."""

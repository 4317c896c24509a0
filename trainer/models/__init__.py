"""Networks that answer at every level: backbone, neck, heads, losses and the methods that join them."""

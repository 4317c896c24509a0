"""A network that learns: one epoch, the loop over epochs, what a run starts from and goes on from."""

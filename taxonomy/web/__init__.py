"""What pages served from this machine share: a port to listen at, a guard that refuses what is too much or foreign."""

"""What Python programs call; the commands are thin layers over it."""

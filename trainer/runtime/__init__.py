"""Where and how a network is computed: device, precision, compilation, processes, signals, and what a person sees."""

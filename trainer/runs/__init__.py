"""What lies in a run folder: settings, hierarchy, log and checkpoint."""

"""The commands of ``hiertax``, one file each; heavy modules are imported only when a command runs."""

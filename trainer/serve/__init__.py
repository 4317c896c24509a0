"""A page and a small JSON API that answer for photographs, on this machine."""

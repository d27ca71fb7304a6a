"""Methods to be compared: niching methods made of evoniche's parts, and what other libraries have.

Each is a `Method` in the module of its name; `evoniche compare` and `catalogue.find_method` find them by entry point.
"""

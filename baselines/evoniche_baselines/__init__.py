"""Problems, methods and comparisons that evoniche is measured on."""

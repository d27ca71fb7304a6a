"""Problems with cases, for comparing methods."""

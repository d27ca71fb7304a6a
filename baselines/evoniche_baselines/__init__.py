"""Problems and methods to measure evoniche against, and the comparison that runs them."""
